"""What CKA between all tensors costs beside the bare forward pass, and beside other packages.

    python bench/cka.py --photographs DATA.parquet --cifar DATA.parquet [--runs 5] [--threads 2]

Every figure comes from a process of its own; the tools take turns, so that a machine whose speed drifts drifts for all
of them; medians of the runs are printed, and ratios within a round. Decoding, building and tracing are not counted, the
pass with its forward, its Grams and its products is; peak memory is that of the whole process.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

WARM = 8  # images of a first, uncounted pass


def main() -> None:
    arguments = parse()
    if arguments.case:
        print(json.dumps(measure(arguments.case, arguments.tool, arguments)))
        return
    for case, tools in CASES.items():
        if arguments.only and case not in arguments.only:
            continue
        report(case, tools, arguments)


def parse() -> argparse.Namespace:
    beside = Path(__file__).parents[1].parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", default=str(beside / "imagenet-sample.parquet"))
    parser.add_argument("--cifar", default=str(beside / "cifar10-test.parquet"))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="*", choices=list(CASES))
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--tool", help=argparse.SUPPRESS)
    return parser.parse_args()


# case -> tools, in the order in which they take turns
CASES = {
    "resnet50, all tensors, batch 128": ("bare", "bare, channels last", "seealike", "pytorch-cka"),
    "vit_small_patch16_224, all tensors, batch 128": ("bare", "seealike", "pytorch-cka"),
    "two resnet18, 18 layers, three maps, batch 128": ("bare", "seealike", "pytorch-cka", "torch_cka"),
    "vit_small_patch16_224, all tensors, batch 1024": ("seealike",),
}
ONCE = ("torch_cka",)


def report(case: str, tools: tuple[str, ...], arguments: argparse.Namespace) -> None:
    print(f"\n{case}, {arguments.runs} runs", flush=True)
    runs: dict[str, list[dict]] = {tool: [] for tool in tools}
    for i in range(1 if case.endswith("1024") else arguments.runs):
        for tool in tools:
            if i == 0 or tool not in ONCE:
                runs[tool].append(spawn(case, tool))
    bare = runs.get("bare")
    for tool, found in runs.items():
        seconds = statistics.median(r["seconds"] for r in found)
        line = (
            f"  {tool:20} {seconds:8.2f} s  {max(r['peak_mb'] for r in found):7.0f} MB  {found[0]['tensors']} tensors"
        )
        if bare:
            ratios = [r["seconds"] / b["seconds"] for r, b in zip(found, bare, strict=False)]
            memory = statistics.median(r["peak_mb"] for r in found) / statistics.median(b["peak_mb"] for b in bare)
            line += f"  {statistics.median(ratios):5.2f} x bare ({min(ratios):.2f} to {max(ratios):.2f})"
            line += f", memory {memory:.2f} x"
        print(line, flush=True)
    if "pytorch-cka" in runs:
        ratios = [p["seconds"] / s["seconds"] for p, s in zip(runs["pytorch-cka"], runs["seealike"], strict=True)]
        print(
            f"  pytorch-cka / seealike: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


def spawn(case: str, tool: str) -> dict:
    # -P: else this file would be imported in place of the package of the same name
    command = [sys.executable, "-P", __file__, *sys.argv[1:], "--case", case, "--tool", tool]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tool} failed in {case}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(case: str, tool: str, arguments: argparse.Namespace) -> dict:
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    models, images, layers = prepare(case, arguments)
    batch = int(case.rsplit(" ", 1)[1])
    if tool.endswith("channels last"):
        images = images.to(memory_format=torch.channels_last)
    prepare_tool = {"seealike": ours, "pytorch-cka": pytorch_cka, "torch_cka": torch_cka}.get(tool, bare)
    tensors, action = prepare_tool(models, images, layers, batch, arguments.device)
    action(images[:WARM], WARM)
    start = time.perf_counter()
    action(images, batch)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mb": peak, "tensors": tensors}


def prepare(case: str, arguments: argparse.Namespace):
    """Models with seeded random weights, the images as one tensor, and the layers asked of each (None: all)."""
    import timm

    if case.startswith("two"):
        models = [timm.create_model("resnet18").eval() for _ in range(2)]
        names = [n for n, m in models[0].named_modules() if type(m).__name__ in ("Conv2d", "Linear")]
        return models, pictures(arguments.cifar, 32, 1024), [n for n in names if "downsample" not in n]
    name, count = case.split(",", maxsplit=1)[0], int(case.rsplit(" ", 1)[1])
    return [timm.create_model(name).eval()], pictures(arguments.photographs, 224, count), None


def pictures(parquet: str, size: int, count: int):
    """The first `count` images, again from the start where there are fewer, as one tensor."""
    import torch

    from seealike.images.preprocessing import plain
    from seealike.images.sources import open_images

    images, transform = open_images(f"parquet:{parquet}"), plain(size, (0.5,) * 3, (0.25,) * 3).transform
    found = [transform(images.read(i)) for i in range(min(count, len(images)))]
    return torch.stack(found).repeat(-(-count // len(found)), 1, 1, 1)[:count]


def bare(models, images, layers, batch, device):
    import torch

    models = [m.to(device) for m in models]

    def action(images, batch):
        with torch.inference_mode():
            for x in images.split(batch):
                for model in models:
                    model(x.to(device))
        wait(device)

    return 0, action


def ours(models, images, layers, batch, device):
    from seealike.kernel import fold, read
    from seealike.measures.cka import CKA
    from seealike.plan import make_plan
    from seealike.plan.machine import Machine
    from seealike.study import Ask, ImagesSource, Study

    names = dict(zip("ab", models, strict=False))
    patterns = tuple(f"{n}:{layer}" for n in names for layer in (layers or ["**"]))
    study = Study(names, {"images": ImagesSource(images)}, {"cka": Ask(CKA(layers=patterns))}, batch=batch)
    planned = make_plan(study, None, Machine(device)).passes[0]

    def action(images, batch):
        again = make_pass(planned, images, batch)
        read(planned.questions[0].measure, planned.statistics, fold(planned.statistics, again))
        wait(device)

    return len(planned.taps), action


def make_pass(planned, images, batch):
    from dataclasses import replace

    from seealike.images.sources import open_images
    from seealike.plan.passes import ImageSet

    return replace(planned.run, images=ImageSet.of("images", open_images(images), None, 0), batch=batch, failed=[])


def loader(images, batch):
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(images, torch.zeros(len(images))), batch_size=batch)


def pairs(models):
    """Every map of the models: each within itself, and one against the other."""
    if len(models) == 1:
        return [(models[0], models[0])]
    return [(models[0], models[0]), (models[0], models[1]), (models[1], models[1])]


def leaves(model, layers):
    """The modules that a hook can watch: all that compute something."""
    from torch import nn

    idle = (nn.Identity, nn.Dropout, nn.Sequential, nn.ModuleList)
    return layers or [n for n, m in model.named_modules() if n and not isinstance(m, idle) and runs(n)]


def runs(name: str) -> bool:
    """Not called under fused attention, which their hooks would wait for in vain."""
    return not name.endswith(("attn_drop", "proj_drop"))


def pytorch_cka(models, images, layers, batch, device):
    from cka import compute_cka

    names = leaves(models[0], layers)

    def action(images, batch):
        for a, b in pairs(models):
            compute_cka(a, b, loader(images, batch), layers=names, model2_layers=names, device=device, progress=False)

    return len(names), action


def torch_cka(models, images, layers, batch, device):
    import warnings

    import torch
    from torch_cka import CKA

    warnings.simplefilter("ignore")

    def action(images, batch):
        with torch.inference_mode():
            for a, b in pairs(models):
                cka = CKA(a, b, model1_layers=layers, model2_layers=layers, device=device)
                cka.compare(loader(images, batch))

    return len(layers), action


def wait(device: str) -> None:
    import torch

    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
