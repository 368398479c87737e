"""Options that several verbs take."""

from pathlib import Path
from typing import Annotated

import typer

ANSWERS = "Folder for the answers; what it holds already is not computed again."
Out = Annotated[Path, typer.Option(help=ANSWERS, file_okay=False)]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, ...")]
Dtype = Annotated[str, typer.Option(help="Of the forward pass: float32, bfloat16 or float16; sums stay exact.")]
Workers = Annotated[int, typer.Option(help="Processes that load images beside the main one.")]
Images = Annotated[
    str,
    typer.Option(
        help="folder:, parquet: or webdataset:PATH, hub:OWNER/NAME, scenes: or noise:NUMBER, or file.py:function."
    ),
]
Take = Annotated[int | None, typer.Option(help="How many images, a seeded choice; all if not given.")]
Batch = Annotated[int | None, typer.Option(help="Images a batch, part of what minibatch CKA means.")]
Memory = Annotated[str | None, typer.Option(help="What sums may fill, such as 4GB; half of what is free if not given.")]
Pretrained = Annotated[
    bool, typer.Option("--pretrained/--untrained", help="Pretrained weights, or seeded random ones.")
]
Checkpoint = Annotated[float, typer.Option(help="Seconds after which sums are kept, to go on from if stopped.")]
