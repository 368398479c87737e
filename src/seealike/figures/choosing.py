"""Which layers and tokens are drawn where all would be too many."""


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of `count` positions, as evenly spread as can be, the first and the last among them.

    >>> evenly(12, 4), evenly(3, 7), evenly(5, 1), evenly(0, 4)
    ([0, 4, 7, 11], [0, 1, 2], [4], [])
    """
    if count <= most:
        return list(range(count))
    return [count - 1] if most == 1 else [round(i * (count - 1) / (most - 1)) for i in range(most)]
