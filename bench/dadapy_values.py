"""The information imbalances that DADApy gives, which the tests hold ours to: full ranks, in float64.

    pip install dadapy==0.3.4
    python bench/dadapy_values.py > tests/maths/dadapy.json

Needs nothing of ours: the inputs are made from the seeds of numpy's RandomState, whose numbers do not change.
"""

import json
import warnings

import numpy as np

# name: seed, images, width of a, width of b, how much of b is noise, what is added to b
CASES = {
    "near": (0, 120, 5, 40, 0.3, 0.0),
    "far from zero": (1, 150, 30, 8, 1.0, 1000.0),
    "unrelated": (2, 200, 12, 20, 1e6, 0.0),
    "a to one number": (3, 100, 3, 1, 0.1, 0.0),
}


def pair(seed: int, n: int, p: int, q: int, noise: float, mean: float) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.RandomState(seed)
    a = numbers.standard_normal((n, p)) * numbers.standard_normal(p)
    b = a @ numbers.standard_normal((p, q)) + noise * numbers.standard_normal((n, q))
    return a, b + mean


def main() -> None:
    from dadapy import MetricComparisons

    warnings.simplefilter("ignore")
    values = {}
    for name, case in CASES.items():
        a, b = pair(*case)
        comparisons = MetricComparisons(coordinates=a, n_jobs=1)
        values[name] = {}
        for k in (1, 5, 10):
            there, back = comparisons.return_information_imbalace(b, k=k, subset_size=len(a))
            values[name][k] = [there[0], back[0]]
    print(json.dumps({"cases": CASES, "values": values}, indent=1))


if __name__ == "__main__":
    main()
