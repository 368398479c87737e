"""The command line: verbs over studies. Its messages are for people; scripts read exit codes and files."""

import sys
from errno import EDQUOT, EFBIG, EIO, ENOSPC, EROFS
from pathlib import Path
from typing import Annotated

import typer

from seealike.cli.answered import answered, typed
from seealike.cli.launching import launched
from seealike.cli.options import Batch, Checkpoint, Device, Dtype, Images, Memory, Out, Pretrained, Take, Workers
from seealike.cli.training import train
from seealike.errors import SeealikeError, StudyError

app = typer.Typer(
    help="Do two vision models see alike, layer by layer, and how?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DISK = (ENOSPC, EDQUOT, EFBIG, EROFS, EIO)  # it is full, or broken, or may not be written
STUDIES = Path(__file__).parents[1] / "studies"


@app.command()
def run(
    study: Path,
    out: Out = Path("out"),
    device: Device = "cpu",
    dtype: Dtype = "float32",
    workers: Workers = 0,
    memory: Memory = None,
    checkpoint: Checkpoint = 60.0,
):
    """Answer what a study asks and is not yet answered, then write the report.

    Example: seealike run study.toml --out out
    """
    from seealike.study.toml import load_study

    answered(load_study(study), out, device, dtype, workers, memory, checkpoint)


@app.command()
def demo(out: Out = Path("demo")):
    """A first look without a download: how a small ViT and a small ResNet see generated scenes.

    Example: seealike demo --out demo
    """
    run(STUDIES / "demo.toml", out)


@app.command()
def reproduce(
    paper: Annotated[str, typer.Argument(help="raghu2021, mahaut2026 or badger2022.")],
    scale: Annotated[str, typer.Option(help="mini (no download), cifar10 or imagenet (the paper's models).")] = "mini",
    images: Annotated[
        list[str] | None,
        typer.Option(help="In place of the study's images: a source for all its sets, or NAME=SOURCE for one of them."),
    ] = None,
    out: Out = Path("out"),
    device: Device = "cpu",
    dtype: Dtype = "float32",
    workers: Workers = 0,
    memory: Memory = None,
    checkpoint: Checkpoint = 60.0,
):
    """Ask what a paper asked, and decide its claims: which hold, which fail, which stay undecided.

    Example: seealike reproduce raghu2021 --scale mini --out raghu2021
    """
    from seealike.study.reproduction import reproduction
    from seealike.zoo import making

    study, lacking = reproduction(STUDIES, paper, scale, images or ())
    note = (
        f"not asked of what was not trained here: {', '.join(lacking)}. To train: {making(lacking)}" if lacking else ""
    )
    answered(study, out, device, dtype, workers, memory, checkpoint, note)


@app.command()
def plan(study: Path, out: Out = Path("out"), device: Device = "cpu", dtype: Dtype = "float32", memory: Memory = None):
    """Tell what a study will do: passes, tensors, memory and time expected, what is on disk already.

    Example: seealike plan study.toml --out out
    """
    from seealike.plan import make_plan
    from seealike.plan.forecast import forecast
    from seealike.plan.machine import Machine
    from seealike.study.toml import load_study

    for line in forecast(make_plan(load_study(study), out, Machine(device, dtype, memory=memory))):
        print(line)


@app.command()
def compare(
    model_a: str,
    model_b: str,
    images: Images,
    out: Out = Path("out"),
    take: Take = None,
    batch: Batch = None,
    view: Annotated[str, typer.Option(help="flatten, mean, cls, tokens or a grid such as 4x4.")] = "flatten",
    layers: Annotated[str, typer.Option(help="Which layers: a glob or a kind such as @block.")] = "**",
    size: Annotated[int | None, typer.Option(help="Input size of models that do not bring one.")] = None,
    pretrained: Pretrained = True,
    seed: Annotated[int, typer.Option(help="Of the order of images and of untrained weights.")] = 0,
    device: Device = "cpu",
    dtype: Dtype = "float32",
    workers: Workers = 0,
):
    """CKA within and across two models on the images of one source, with pictures and a report.

    Example: seealike compare timm:vit_small_patch16_224 timm:resnet50 --images folder:photographs --out out
    """
    from seealike.answering import run as answer
    from seealike.figures import draw, save
    from seealike.report import write
    from seealike.study.comparison import comparison

    study = comparison(model_a, model_b, images, take, batch, view, layers, size, pretrained, seed)
    results = answer(study, out, device, dtype, workers, untrained_if_unfetchable=True, command=typed())
    for name in study.ask:
        save(draw(results[name]), out / f"{name}.png")
    for note in dict.fromkeys(note for name in study.ask for note in results[name].attrs["notes"]):
        print(f"note: {note}", file=sys.stderr)
    print(results)
    print(write(out))


@app.command()
def layers(
    model: str,
    pattern: Annotated[str, typer.Argument(help="A name, a glob or a kind such as @block.")] = "**",
    size: Annotated[int | None, typer.Option(help="Input size of a model that does not bring one.")] = None,
):
    """List the tensors of a model by name, as they run. No weights are fetched.

    Example: seealike layers timm:vit_small_patch16_224 '@block'
    """
    from seealike.models.listing import listing

    for line in listing(model, pattern, size):
        print(line)


@app.command()
def features(
    selection: Annotated[str, typer.Argument(metavar="MODEL:GLOB")],
    images: Images,
    out: Annotated[Path, typer.Option(help="netCDF file to write.")],
    recorded: Annotated[list[str] | None, typer.Argument(metavar="[images:NAME]...")] = None,
    view: Annotated[str, typer.Option(help="flatten, mean, cls, tokens or a grid such as 4x4.")] = "flatten",
    take: Take = None,
    batch: Batch = None,
    size: Annotated[int | None, typer.Option(help="Input size of a model that does not bring one.")] = None,
    pretrained: Pretrained = True,
    device: Device = "cpu",
    dtype: Dtype = "float32",
    workers: Workers = 0,
):
    """Write what layers say of images: one variable a layer, one row an image; beside them images:label, images:*.

    A slash in a layer's name is written as |, since netCDF keeps slashes for itself.

    Example: seealike features timm:resnet50:layer4.2 --images folder:photographs --view mean --out f.nc
    """
    from seealike.models.listing import parted
    from seealike.models.sources import ModelSource
    from seealike.notebook import features as table

    source, pattern = parted(selection)
    for other in recorded or ():
        if not other.startswith("images:"):
            raise StudyError(f'"{other}": after the layers write what is recorded of the images, such as images:label.')
    model = ModelSource(source, pretrained=pretrained, size=size)
    asked, machine = [pattern, *(recorded or ())], {"device": device, "dtype": dtype, "workers": workers}
    found = table(model, images, asked, view=view, take=take, batch=batch, **machine)
    out.parent.mkdir(parents=True, exist_ok=True)
    slashed = [name for name in (*found.variables, *found.dims) if "/" in str(name)]
    found.rename({name: str(name).replace("/", "|") for name in slashed}).to_netcdf(out, engine="h5netcdf")
    print(f"{out}: {found.sizes['image']} images, {sum(not str(n).startswith('images:') for n in found)} layers")


app.command()(train)


@app.command()
def draw(
    folder: Path,
    format: Annotated[str, typer.Option(help="pdf, svg, png or csv.")] = "png",
    error: Annotated[bool, typer.Option(help="Draw the standard errors too.")] = False,
):
    """Draw every answer in a folder, and the inversions of several networks together.

    Example: seealike draw out --format pdf
    """
    from seealike.figures import compared, save, to_csv
    from seealike.figures import draw as figure
    from seealike.figures.comparing import comparable, table
    from seealike.results import Results

    results = Results(folder)
    results.refuse_empty()
    answers = dict(results.items())
    for name, answer in answers.items():
        path = folder / f"{name}.{format}"
        to_csv(answer, path) if format == "csv" else save(figure(answer, error=error), path)
        print(path)
    for name, group in comparable(answers).items():
        path = folder / f"{name}{'-compared' * (name in answers)}.{format}"
        to_csv(table(group), path) if format == "csv" else save(compared(group), path)
        print(path)


@app.command()
def report(
    folder: Path,
    out: Annotated[Path | None, typer.Option(help="File to write; report.html in the folder if not given.")] = None,
):
    """Write every answer in a folder on one page: figures to explore, notes, where each answer comes from.

    Example: seealike report out
    """
    from seealike.report import write

    print(write(folder, out))


def main() -> None:
    """The command line; a message to the user is one line, without a traceback."""
    launched()
    try:
        app(standalone_mode=True)
        return
    except SeealikeError as error:
        said, code = str(error), error.exit_code
    except OSError as error:  # a page or a figure: answers have a message of their own
        if error.errno not in DISK:
            raise
        said, code = f"{error.filename or 'a file'} cannot be written ({error.strerror}). What was answered stays.", 1
    # only now, without the error, is the pass it stopped gone, and its bar with it
    print(f"seealike: {said}", file=sys.stderr)
    sys.exit(code)
