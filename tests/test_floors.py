"""The house: imports go down only, reading needs no torch, files and functions stay small."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
FLOORS = {
    6: ("cli", "notebook", "__main__"),
    5: ("study", "plan", "answering", "training"),
    4: ("measures", "report"),
    3: ("statistics", "views", "figures", "claims", "laws"),
    2: ("kernel", "selection", "results", "surgery"),
    1: ("models", "images", "zoo", "inversion"),
    0: ("maths", "errors", "sealed", "attributes", "listing"),
}
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
# rooms of one floor, where the first may import the second
BESIDE = {
    ("models", "images"),
    ("models", "zoo"),
    ("zoo", "images"),
    ("plan", "study"),
    ("answering", "plan"),
    ("answering", "study"),
    ("training", "plan"),
    ("training", "study"),
    ("__main__", "cli"),
    ("cli", "notebook"),
    ("selection", "kernel"),
}
READING = ("results", "figures", "claims", "report", "errors", "sealed", "attributes", "listing")


def name_of(path: Path, source: Path = SOURCE) -> str:
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted((SOURCE / "seealike").rglob("*.py"))}
PACKAGES = {name for name, path in FILES.items() if path.stem == "__init__"}


def imports(name: str, text: str, known) -> set[str]:
    """Our modules that `name` imports, anywhere in it; the root package is nobody's floor and left out."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            up = name.split(".")[: len(name.split(".")) - node.level + (name in PACKAGES)] if node.level else []
            origin = ".".join([*up, *([node.module] if node.module else [])])
            found |= {f"{origin}.{a.name}" if f"{origin}.{a.name}" in known else origin for a in node.names}
    return {target for target in found if target.startswith("seealike.")}


def room(name: str) -> str:
    return name.split(".")[1]


def climbs(name: str, target: str) -> bool:
    """Whether this import goes up, or sideways where it may not."""
    here, there = room(name), room(target)
    return here != there and (here, there) not in BESIDE and FLOOR[here] <= FLOOR[there]


IMPORTS = {name: imports(name, path.read_text(), FILES) for name, path in FILES.items() if name != "seealike"}


def test_every_module_has_a_floor():
    assert [name for name in IMPORTS if room(name) not in FLOOR] == []


def test_imports_go_down_only():
    assert [f"{n} imports {t}" for n, targets in IMPORTS.items() for t in targets if climbs(n, t)] == []


def test_imports_go_round_in_no_circle():
    graph = {name: targets - {name} for name, targets in IMPORTS.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_the_reader_of_imports_sees_them_all():
    text = """
import seealike.answering, torch
from seealike import errors, load_study
from . import kernel
def lazy():
    from seealike.models.graph import Graph
    from .images import folder
"""
    known = {"seealike.errors", "seealike.kernel", "seealike.models.graph", "seealike.images"}
    expected = {"seealike.answering", "seealike.errors", "seealike.kernel", "seealike.models.graph", "seealike.images"}
    assert imports("seealike.notebook", text, known) == expected
    assert climbs("seealike.plan", "seealike.answering") and climbs("seealike.results", "seealike.kernel")
    assert climbs("seealike.images", "seealike.models") and not climbs("seealike.models.zoo", "seealike.images.folder")
    assert not climbs("seealike.figures", "seealike.figures.heatmap") and climbs("seealike.figures", "seealike.report")


def test_reading_and_drawing_need_no_torch():
    modules = [name for name in FILES if name == "seealike" or room(name) in READING]
    code = f"import {', '.join(modules)}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=SOURCE, check=False).returncode == 0


def test_no_module_is_named_after_nothing():
    empty = {"utils", "util", "helpers", "base", "common", "misc"}
    assert [name for name in FILES if empty & set(name.split("."))] == []


def test_files_and_functions_are_small():
    large = [f"{name}: {n} lines" for name, path in FILES.items() if (n := len(path.read_text().splitlines())) > 250]
    for name, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                large += [f"{name}.{node.name}: {lines} lines"] if lines > 60 else []
    assert large == []
