"""One of several processes: what a launcher says in the environment, put as `torchrun` puts it."""

import os
import re
from collections.abc import Mapping, MutableMapping

LOWEST, PORTS = 20_000, 20_000  # of a port that processes of one job find without asking


def launched(environment: MutableMapping[str, str] = os.environ) -> None:
    """Where `srun` started several processes, says so as `torchrun` does; bars are the first process's alone."""
    if "WORLD_SIZE" not in environment:
        environment.update(from_slurm(environment))
    if environment.get("RANK", "0") != "0":
        environment.setdefault("TQDM_DISABLE", "1")


def from_slurm(environment: Mapping[str, str]) -> dict[str, str]:
    """Of the steps of `srun`; what runs in a batch script by itself is one process, whatever was reserved.

    >>> step = {"SLURM_STEP_NUM_TASKS": "16", "SLURM_PROCID": "9", "SLURM_LOCALID": "1", "SLURM_JOB_ID": "4242"}
    >>> from_slurm({**step, "SLURM_STEP_NODELIST": "gpu[07-08]"})["MASTER_ADDR"]
    'gpu07'
    """
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) < 2:
        return {}
    return {
        "WORLD_SIZE": environment["SLURM_STEP_NUM_TASKS"],
        "RANK": environment["SLURM_PROCID"],
        "LOCAL_RANK": environment["SLURM_LOCALID"],
        "MASTER_ADDR": environment.get("MASTER_ADDR") or _first(environment["SLURM_STEP_NODELIST"]),
        "MASTER_PORT": environment.get("MASTER_PORT") or str(LOWEST + int(environment["SLURM_JOB_ID"]) % PORTS),
    }


def _first(nodes: str) -> str:
    """The first host of a list as Slurm writes it.

    >>> _first("a1,b2"), _first("gpu[07-09,12]"), _first("rack[1-2]-node[3,5]")
    ('a1', 'gpu07', 'rack1-node3')
    """
    one = re.match(r"(?:[^,\[]|\[[^\]]*\])+", nodes)
    return re.sub(r"\[([^-,\]]*)[^\]]*\]", r"\1", one[0] if one else nodes)
