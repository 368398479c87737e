"""The processes that share a run, as `torchrun` starts them: each sums its own batches, the first reads the answers.

What they say to each other is little, once a sweep: it goes through memory of the CPU (gloo), whatever computes.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import load, save
from torch import Tensor

from seealike.answering.packing import Names, Summed, packed, parts, unpacked
from seealike.errors import RunError

PATIENCE = timedelta(days=7)  # while another sums or reads; that it has died is known at once
PIECE = 1 << 28  # bytes sent at a time


@dataclass(frozen=True)
class Ranks:
    """Which of `world` processes this one is; alone it is the first and the only one."""

    rank: int = 0
    world: int = 1
    local: int = 0  # its number on its machine

    @property
    def first(self) -> bool:
        return self.rank == 0

    def mine(self, number: int) -> bool:
        """Whether batch `number` is summed here."""
        return number % self.world == self.rank

    def whose(self, number: int) -> "Ranks | None":
        """This process by itself, where piece `number` of what is not shared is its turn."""
        return Ranks(local=self.local) if self.mine(number) else None

    def device(self, device: str) -> str:
        """`cuda` is a GPU for each process of a machine."""
        return f"{device}:{self.local}" if device == "cuda" and self.world > 1 else device

    def wait(self) -> None:
        """Until all have come here."""
        self.agreed(None)

    def agreed(self, said: Any) -> Any:
        """What the first says, in all processes: anything that JSON can say."""
        if self.world == 1:
            return said
        if self.first:
            for rank in range(1, self.world):
                self._receive(rank)  # all are here before anybody goes on
            text = torch.frombuffer(bytearray(json.dumps(said).encode()), dtype=torch.uint8)
            for rank in range(1, self.world):
                self._send(text, rank)
            return said
        self._send(torch.empty(0, dtype=torch.uint8), 0)
        return json.loads(bytes(self._receive(0).numpy()))

    def gathered(self, summed: Summed, names: Names, device: str) -> Summed:
        """In the first process, on `device`, the sums of all of them; in the others what they sent."""
        if not self.first:
            for part in parts(summed):
                tensors, texts = packed(part, names)
                here = {key: value.cpu() for key, value in tensors.items()}
                self._send(torch.frombuffer(bytearray(save(here, texts)), dtype=torch.uint8), 0)
            return summed
        for rank in range(1, self.world):
            for _ in parts(summed):
                summed.join(self._unpacked(rank, names, device))
        return summed

    def _unpacked(self, rank: int, names: Names, device: str) -> Summed:
        came = bytes(self._receive(rank).numpy())
        texts = json.loads(came[8 : 8 + int.from_bytes(came[:8], "little")])["__metadata__"]
        found = unpacked(load(came), texts, names, device)
        if found is None:
            raise RunError(f"process {rank} of {self.world} asks something else: it has another study or other code.")
        return found

    def _send(self, message: Tensor, to: int) -> None:
        with self._told(to):
            dist.send(torch.tensor(len(message)), to)
            for piece in message.split(PIECE) if len(message) else ():
                dist.send(piece, to)

    def _receive(self, sender: int) -> Tensor:
        with self._told(sender):
            length = torch.tensor(0)
            dist.recv(length, sender)
            message = torch.empty(int(length), dtype=torch.uint8)
            for piece in message.split(PIECE) if len(message) else ():
                dist.recv(piece, sender)
        return message

    @contextmanager
    def _told(self, other: int) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise RunError(
                f"process {other} of {self.world} has ended, and its sums with it; the run ends. What was answered and "
                "what was kept on the way stays: start the same command again to go on."
            ) from error


ALONE = Ranks()


@contextmanager
def processes() -> Iterator[Ranks]:
    """This process among those that `torchrun` started (RANK, WORLD_SIZE, LOCAL_RANK); alone where it did not."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE
        return
    ranks = Ranks(int(os.environ["RANK"]), world, int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield ranks
    except RunError as error:
        raise RunError(f"process {ranks.rank} of {world}, on {socket.gethostname()}: {error}") from error
    finally:
        dist.destroy_process_group()
