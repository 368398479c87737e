"""Where and how a study is run."""

from dataclasses import dataclass

import torch

from seealike.errors import StudyError
from seealike.plan.memory import in_bytes

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Machine:
    """Where and how a pass runs: it changes the time an answer takes, and only by rounding the answer."""

    device: str = "cpu"
    dtype: str = "float32"
    workers: int = 0
    memory: int | str | None = None  # what sums may fill, in bytes or such as "4GB"; None: half of what is free

    def __post_init__(self):
        if self.memory is not None and (in_bytes(self.memory) if isinstance(self.memory, str) else self.memory) < 1:
            raise StudyError(f"memory = {self.memory}: at least 1 byte; leave it out to use half of what is free.")
        if self.dtype not in DTYPES:
            raise StudyError(f'dtype = "{self.dtype}": there are {", ".join(DTYPES)}.')
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise StudyError(f'device = "{self.device}" cannot be used here: {str(error).splitlines()[0]}') from None
