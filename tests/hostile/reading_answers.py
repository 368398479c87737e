"""Reads broken answers, in a process of its own: the library that reads them is C, and may end the process.

python reading_answers.py FOLDER FIRST COUNT

Prints each case's number before it is tried, and what came of it that is no message. A case is a file of FOLDER with
bytes changed by its number.
"""

import resource
import signal
import sys
import warnings
from pathlib import Path
from random import Random

SECONDS = 60
MEMORY = 16 << 30  # addresses, most of which hold nothing


def main(folder: Path, first: int, count: int) -> None:
    from seealike.errors import SeealikeError

    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    whole = [path.read_bytes() for path in sorted(folder.glob("*.nc"))]
    out = folder / "changed"
    out.mkdir(exist_ok=True)
    for number in range(first, first + count):
        print(number, flush=True)
        signal.alarm(SECONDS)  # a library that never comes back ends the process, and the case is told
        random = Random(number)
        (out / "ask-0.nc").write_bytes(spoiled(random.choice(whole), random))
        for what, look in LOOKS.items():
            try:
                look(out)
            except SeealikeError as error:
                assert str(error)
            except Exception as error:
                print(f"case {number}: {what}: {type(error).__name__}: {error}".replace("\n", " ")[:500], flush=True)
                if "-v" in sys.argv:
                    import traceback

                    traceback.print_exc()


def spoiled(content: bytes, random: Random) -> bytes:
    """One to three changes: bits, bytes, numbers that say too much, runs of zeros, an end too soon."""
    found = bytearray(content)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(found))
        at = at if random.random() < 0.8 else at % 2048  # what the file says of itself stands at its beginning
        how = random.randrange(6)
        if how == 0:
            found[at] ^= 1 << random.randrange(8)
        elif how == 1:
            found[at] = random.randrange(256)
        elif how == 2:
            found[at : at + 8] = random.choice([b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, b"\xff" * 7 + b"\x7f"])
        elif how == 3:
            found[at : at + 64] = bytes(random.randrange(256) for _ in range(64))
        elif how == 4:
            other = random.randrange(len(found))
            found[at : at + 32] = found[other : other + 32]
        elif how == 5 and random.random() < 0.2:
            del found[at:]
            found += b"\0"
    return bytes(found)


def listed(out: Path) -> None:
    from seealike.results import Results

    repr(Results(out))


def loaded(out: Path) -> None:
    from seealike.results import Results

    results = Results(out)
    for name in results:
        repr(results[name])
        results.left_out(name)


def shown(out: Path) -> None:
    from seealike import report

    report.write(out)


def drawn(out: Path) -> None:
    from seealike.figures import draw
    from seealike.results import Results

    for answer in Results(out).values():
        draw(answer)


LOOKS = {"listed": listed, "loaded": loaded, "shown": shown, "drawn": drawn}

if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
