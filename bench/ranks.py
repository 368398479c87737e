"""How many ranks change when distances are computed in float32 in place of float64, on the features of a network.

    python bench/ranks.py [--model zoo:vit] [--images scenes:512] [--layers @block] [--k 10]

The features are the same float32 numbers. Counted are the ranks in every layer of the k nearest images in every layer.
"""

import argparse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"model": "zoo:vit", "images": "scenes:512", "layers": "@block"}.items():
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--k", type=int, default=10)
    report(parser.parse_args())


def report(arguments: argparse.Namespace) -> None:
    import torch

    import seealike
    from seealike.maths.ranks import mean_ranks, neighbours, ranks, rescaled

    features = seealike.features(arguments.model, arguments.images, arguments.layers, view="mean")
    rows = [torch.from_numpy(values.values) for values in features.values()]
    exact, single = ([neighbours(x.to(number), arguments.k) for x in rows] for number in (torch.float64, torch.float32))
    moved = torch.stack([(ranks(a, s) - ranks(a, e)).abs() for a in exact for e, s in zip(exact, single, strict=True)])
    print(f"{(moved > 0).sum()} of {moved.numel()} ranks changed, by at most {moved.max():g}")
    values = [
        rescaled(torch.stack([mean_ranks(of, x) for x in of]), arguments.k, len(rows[0])) for of in (exact, single)
    ]
    print(f"imbalance_rescaled changed by at most {(values[0] - values[1]).abs().max():.1g}")


if __name__ == "__main__":
    main()
