"""Checks the smallest model of every family of timm, torchvision and transformers, and writes what was found.

    python bench/families.py [--only PATTERN] [--out docs/families.md]      or: make families [ONLY=PATTERN]

One model at a time, in this process. What is found of each is kept in a file of JSON lines (--kept), so that a run that
was stopped goes on; --anew begins again. A pattern such as "timm-vi*" checks a part of the families anew, and writes no
page unless --out is given. Ends with 1 where something is not as it must be, and says what.
"""

import argparse
import gc
import json
import sys
from collections import Counter
from dataclasses import asdict
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))  # the check itself is shared with the tests

from architectures import Family, families  # noqa: E402
from breadth import Row, looked_at, wrong  # noqa: E402

PAGE = ROOT / "docs" / "families.md"
EVERY = "*"
LIBRARIES = ("timm", "torchvision", "transformers")
COLUMNS = (
    "family",
    "model",
    "parameters",
    "tensors",
    "residuals",
    "attentions",
    "with places",
    "graph - module",
    "CKA - 1",
    "seconds",
    "outcome",
)
LONGEST = 240  # letters of a message in the table


def main() -> int:
    arguments = parse()
    chosen = [family for family in families() if fnmatchcase(str(family), arguments.only)]
    if arguments.anew:
        arguments.kept.unlink(missing_ok=True)
    rows = found(chosen, arguments.kept, arguments.only != EVERY)
    failures = {row.family: said for row in rows if (said := wrong(row))}
    out = arguments.out or (PAGE if arguments.only == EVERY else None)
    if out:
        out.write_text(page(rows), "utf8")
    for family, said in failures.items():
        print(f"{family}: {'; '.join(said)}")
    print(f"{totals(rows)}" + (f"; {out}" if out else ""))
    return int(bool(failures) or not rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=EVERY, help="families to check, such as 'timm-vi*'")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--kept", type=Path, default=ROOT / "out" / "families.jsonl")
    parser.add_argument("--anew", action="store_true")
    return parser.parse_args()


def found(chosen: list[Family], kept: Path, again: bool) -> list[Row]:
    """The rows of these families; those that are kept are not made again, unless they are asked for by name."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    lines = kept.read_text("utf8").splitlines() if kept.exists() else []
    rows = {row.family: row for row in (Row(**json.loads(line)) for line in lines)}
    left = [family for family in chosen if again or str(family) not in rows]
    with tqdm(left, unit=" families") as bar, kept.open("a", encoding="utf8") as file:
        for family in bar:
            bar.set_description(str(family))
            rows[str(family)] = row = looked_at(family)
            print(json.dumps(asdict(row)), file=file, flush=True)
            gc.collect()  # graphs hold themselves in circles
    return [rows[str(family)] for family in chosen]


def page(rows: list[Row]) -> str:
    """The page of the documentation: its text is a template beside this file, its numbers are those of the rows."""
    template = Path(__file__).with_suffix(".md").read_text("utf8")
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", *LIBRARIES))
    looked = [row for row in rows if row.tensors]
    return template.format(
        versions=versions,
        totals=totals(rows),
        counts="\n".join(_counts(rows)),
        apart=f"{max(row.apart for row in looked):.1g}",
        differing=sum(row.apart > 0 for row in looked),
        diagonal=f"{max(row.diagonal for row in looked):.1g}",
        tensors=f"{sum(row.tensors for row in looked):,}",
        placed=f"{sum(row.placed for row in looked):,}",
        minutes=round(sum(row.seconds for row in rows) / 60),
        table="\n".join(_table(COLUMNS, map(_cells, rows))),
    )


def totals(rows: list[Row]) -> str:
    kinds = Counter(kind(row) for row in rows)
    return ", ".join(f"{kinds[k]} {k}" for k in ("OK", "refused", "not run", "failed") if kinds[k])


def kind(row: Row) -> str:
    if wrong(row):
        return "failed"
    return "not run" if row.skipped else "refused" if row.refusals else "OK"


def _counts(rows: list[Row]):
    of = {library: Counter(kind(r) for r in rows if r.family.startswith(f"{library}-")) for library in LIBRARIES}
    heads = ("library", "families", "OK", "refused", "not run", "failed")
    return _table(heads, ((name, c.total(), *(c[k] for k in heads[2:])) for name, c in of.items() if c))


def _table(heads, lines):
    yield from (f"| {' | '.join(map(str, line))} |" for line in (heads, ["---"] * len(heads), *lines))


def _cells(row: Row) -> tuple[str, ...]:
    if not row.tensors:
        return row.family, f"`{row.model}`", _millions(row), *[""] * 6, f"{row.seconds:.0f}", outcome(row)
    return (
        row.family,
        f"`{row.model}`",
        _millions(row),
        str(row.tensors),
        str(row.residuals),
        ", ".join(f"{n} {name}" for name, n in row.attentions.items()) or "0",
        f"{100 * row.placed / row.tensors:.0f} %",
        f"{row.apart:.0e}" if row.apart else "0",
        f"{row.diagonal:.0e}" if row.diagonal else "0",
        f"{row.seconds:.0f}",
        outcome(row),
    )


def _millions(row: Row) -> str:
    return f"{row.parameters / 1e6:.2f} M"


def outcome(row: Row) -> str:
    if said := wrong(row):
        return f"failed: {'; '.join(said)[:LONGEST]}"
    if row.skipped:
        return f"not run: {row.skipped}"
    said = "; ".join(f"{what}: {message.splitlines()[0]}" for what, message in row.refusals.items())
    return f"refused, {said[:LONGEST]}{'...' if len(said) > LONGEST else ''}".replace("|", "/") if said else "OK"


if __name__ == "__main__":
    sys.exit(main())
