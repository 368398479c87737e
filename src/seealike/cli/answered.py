"""What verbs do that answer a whole study."""

import shlex
import sys
from pathlib import Path


def answered(
    study, out: Path, device: str, dtype: str, workers: int, memory: str | None, checkpoint: float, note: str = ""
) -> None:
    """Answer a study, decide the claims that it names, write the report; tell where everything is, and a note before.

    Of several processes the first alone decides and tells.
    """
    from seealike import claims
    from seealike.answering import run as answer
    from seealike.answering.ranks import processes
    from seealike.report import write

    with processes() as ranks:
        if note and ranks.first:
            print(f"note: {note}", file=sys.stderr)
        options = {"memory": memory, "command": typed(), "ranks": ranks, "every": checkpoint}
        results = answer(study, out, device, dtype, workers, **options)
    if not ranks.first:
        return
    print(results)
    if study.claims:
        decided = claims.decide(results, study.claims)
        print(*claims.told(decided), claims.write(out, decided), sep="\n")
    print(write(out))


def typed() -> str:
    """The command line as it was typed, quoted for a shell."""
    return shlex.join(["seealike", *sys.argv[1:]])
