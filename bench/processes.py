"""How well two processes share a run, against two that answer the same by themselves: the same machine, the same work.

python bench/processes.py [--images 4096] [--processes 2] [--repeats 3]

A run shared by N processes takes T; N runs, each of all images, at the same time take S. Shared perfectly, T = S / N:
efficiency = S / (N T). Both times are those that the runs themselves sum, without starting Python and tracing models,
as the progress of the sweep tells; of several repeats the quickest.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

STUDY = """
batch = 64
[models.vit]
source = "zoo:vit"
[models.resnet]
source = "zoo:resnet"
[images.test]
source = "scenes:{images}"
split = "test"
[ask.similarity]
measure = "cka"
a = "vit:**"
b = "resnet:**"
[ask.attention]
measure = "attention_distance"
model = "vit"
"""
TIMED = """
import json, sys, time
from pathlib import Path
from seealike.answering import run, sweeping
from seealike.answering.ranks import processes
from seealike.study.toml import load_study

spent = []
fold = sweeping.fold

def timed(*given):
    begun = time.perf_counter()
    found = fold(*given)
    spent.append(time.perf_counter() - begun)
    return found

sweeping.fold = timed
with processes() as ranks:
    run(load_study("study.toml"), sys.argv[1], ranks=ranks)
Path(f"{sys.argv[1]}.{ranks.rank}.json").write_text(json.dumps(sum(spent)))
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    with TemporaryDirectory() as name:
        folder, n = Path(name), asked.processes
        (folder / "study.toml").write_text(STUDY.format(images=asked.images))
        (folder / "timed.py").write_text(TIMED)
        shared, alone = [], []
        for repeat in range(asked.repeats):
            shared.append(_slowest(folder, [_shared(f"shared{repeat}", n)]))
            alone.append(_slowest(folder, [_alone(f"alone{repeat}-{k}") for k in range(n)]))
            print(f"shared by {n}: {shared[-1]:.1f} s; {n} by themselves: {alone[-1]:.1f} s", flush=True)
    print(f"efficiency at {n} processes, {asked.images} images: {min(alone) / n / min(shared):.0%}")


def _shared(out: str, count: int) -> list[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return [*launch, "timed.py", out]


def _alone(out: str) -> list[str]:
    return [sys.executable, "timed.py", out]


def _slowest(folder: Path, commands: list[list[str]]) -> float:
    """Seconds that the slowest process spent summing, of commands that run at the same time."""
    before = time.time()
    running = [subprocess.Popen(c, cwd=folder, env=ENVIRONMENT, stderr=subprocess.DEVNULL) for c in commands]
    if any(process.wait() for process in running):
        raise SystemExit("a run failed")
    return max(float(p.read_text()) for p in folder.glob("*.json") if p.stat().st_mtime >= before)


if __name__ == "__main__":
    main()
