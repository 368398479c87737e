"""What the information imbalance of all pairs of layers of two models costs, beside DADApy on a few of these pairs.

    python bench/imbalance.py [--images 5000] [--layers 24] [--width 384] [--k 1] [--pairs 2] [--runs 3] [--threads 2]
                              [--dadapy PYTHON]

PYTHON is the interpreter of an environment in which DADApy is installed; left out, ours alone. The features are those
of two made-up models: from the same input each goes on by random steps, so that near layers are alike. Both tools are
given the same float32 numbers, and all images at once. A call of DADApy gives both directions of one pair: its seconds
for all pairs are those of a call times their number, extrapolated. Ours are both directions of all pairs, measured.
Each run has a process of its own, and the tools take turns; medians are printed.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np


def main() -> None:
    arguments = parse()
    if arguments.tool:
        print(json.dumps(measure(arguments)))
        return
    tools = {"seealike": sys.executable} | ({"DADApy": arguments.dadapy} if arguments.dadapy else {})
    runs: dict[str, list[dict]] = {tool: [] for tool in tools}
    for _ in range(arguments.runs):
        for tool, python in tools.items():
            runs[tool].append(spawn(python, tool))
    report(runs, arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in {
        "images": 5000,
        "layers": 24,
        "width": 384,
        "k": 1,
        "pairs": 2,
        "runs": 3,
        "threads": 2,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--dadapy")
    parser.add_argument("--tool", help=argparse.SUPPRESS)
    return parser.parse_args()


def report(runs: dict[str, list[dict]], arguments: argparse.Namespace) -> None:
    pairs = arguments.layers**2
    print(f"{arguments.layers} x {arguments.layers} layers of {arguments.width}, {arguments.images} images")
    for tool, found in runs.items():
        seconds, cpu = (statistics.median(r[key] for r in found) for key in ("seconds", "cpu"))
        for_all = f"a pair, so {seconds * pairs:.0f} s for all (extrapolated)"
        said = f"all {pairs} pairs" if tool == "seealike" else for_all
        peak = max(r["peak_mb"] for r in found)
        print(f"  {tool:10} {seconds:8.2f} s ({cpu:.2f} s of processor)  {peak:6.0f} MB  {said}")
    if "DADApy" in runs:
        both = list(zip(runs["DADApy"], runs["seealike"], strict=True))
        for key, name in {"seconds": "time", "cpu": "processor time"}.items():
            ratios = [pairs * d[key] / s[key] for d, s in both]
            spread = f"{statistics.median(ratios):.0f} ({min(ratios):.0f} to {max(ratios):.0f})"
            print(f"  DADApy / seealike, {name}: {spread}")
        apart = max(abs(x - y) for d, s in both for x, y in zip(d["values"], s["values"], strict=True))
        print(f"  values of the same pairs are at most {apart:.1g} apart")


def spawn(python: str, tool: str) -> dict:
    # -P: else files beside this one would be imported in place of packages
    command = [python, "-P", __file__, *sys.argv[1:], "--tool", tool]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tool} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> dict:
    models = features(arguments)
    # pairs of layers at like positions, as far apart along depth as there are pairs
    chosen = np.linspace(0, arguments.layers - 1, arguments.pairs).round().astype(int).tolist()
    seconds, values = {"seealike": ours, "DADApy": dadapy}[arguments.tool](*models, chosen, arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds[0], "cpu": seconds[1], "values": values, "peak_mb": peak}


class Clock:
    """Seconds since it was made: of the clock, and of the processor, which other processes do not lengthen as much."""

    def __init__(self):
        self.start = time.perf_counter(), time.process_time()

    def __call__(self, share: int = 1) -> tuple[float, float]:
        now = time.perf_counter(), time.process_time()
        return (now[0] - self.start[0]) / share, (now[1] - self.start[1]) / share


def features(arguments: argparse.Namespace) -> tuple[list[np.ndarray], list[np.ndarray]]:
    numbers = np.random.default_rng(0)
    shape, width = (arguments.images, arguments.width), arguments.width
    spectrum = np.arange(1, width + 1) ** -0.5
    x = numbers.standard_normal(shape, dtype=np.float32) * spectrum.astype(np.float32)

    def step(x: np.ndarray) -> np.ndarray:
        mixed = x + np.tanh(x @ numbers.standard_normal((width, width), dtype=np.float32) / width**0.5)
        return mixed / mixed.std(dtype=np.float32) * x.std(dtype=np.float32)

    def model() -> list[np.ndarray]:
        layers = [step(x)]
        while len(layers) < arguments.layers:
            layers.append(step(layers[-1]))
        return layers

    return model(), model()


def ours(a: list, b: list, chosen: list[int], arguments: argparse.Namespace) -> tuple[tuple[float, float], list[float]]:
    import torch

    from seealike.measures.imbalance import Imbalance

    torch.set_num_threads(arguments.threads)
    measure = Imbalance(k=arguments.k, subset=arguments.images)
    clock = Clock()
    points = [[measure.point(torch.from_numpy(x)) for x in side] for side in (a, b)]
    found = measure.between(*points)
    seconds = clock()
    return seconds, [float(found[way][i, i]) for i in chosen for way in ("imbalance", "imbalance_reverse")]


def dadapy(
    a: list, b: list, chosen: list[int], arguments: argparse.Namespace
) -> tuple[tuple[float, float], list[float]]:
    import warnings

    from dadapy import MetricComparisons

    warnings.simplefilter("ignore")
    values = []
    clock = Clock()
    for i in chosen:
        comparisons = MetricComparisons(coordinates=a[i], n_jobs=arguments.threads)
        both = comparisons.return_information_imbalace(b[i], k=arguments.k, subset_size=arguments.images)
        values += [float(way[0]) for way in both]
    return clock(len(chosen)), values


if __name__ == "__main__":
    main()
