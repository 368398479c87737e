"""Images made by number, not read: how many there are."""

from seealike.errors import StudyError

COUNT = 10_000
MOST = 100_000_000
DIGITS = 20


def how_many(kind: str, number: str) -> int:
    """What follows the colon in `scenes:5000`; nothing means 10,000.

    >>> how_many("scenes", "5000"), how_many("scenes", "")
    (5000, 10000)
    """
    if number and not (number.isdecimal() and len(number) <= DIGITS and 0 < int(number) <= MOST):
        raise StudyError(
            f'"{kind}:{number[:100]}": write how many, as in "{kind}:5000", or "{kind}:" for {COUNT:,}. '
            f"There can be {MOST:,}."
        )
    return int(number or COUNT)
