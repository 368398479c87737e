"""The coordinates of a layer dimension: names as a user writes them, and depths."""

from seealike.kernel import Selected


def layer_coordinates(**sides: tuple[Selected, ...]) -> dict[str, tuple[str, list]]:
    """`layer_a` ("model:tensor") and `depth_a` (0 to 1) for a side called `a`, and so on."""
    found: dict[str, tuple[str, list]] = {}
    for side, selected in sides.items():
        found[f"layer_{side}"] = (f"layer_{side}", [str(s) for s in selected])
        found[f"depth_{side}"] = (f"layer_{side}", [s.depth for s in selected])
    return found
