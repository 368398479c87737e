"""Files of weights that are broken or made to harm: nothing in them is run, and each is read or refused in words."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from hostile import CHANGED, VALUES, cases, changed, refused
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from seealike.errors import StudyError
from seealike.models.sources.checkpoint import load_checkpoint


def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2)).eval()


WEIGHTS = network().state_dict()


def saved(content, **how) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **how)
    return file.getvalue()


class Runs:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


SAFE = save(WEIGHTS)
FILES = [
    ("w.safetensors", SAFE),
    ("w.pt", saved(WEIGHTS)),
    ("w.pth", saved({"epoch": 3, "model": WEIGHTS}, _use_new_zipfile_serialization=False)),
    ("w.bin", pickle.dumps({"a": 1})),
    ("w.pt", SAFE),
    ("w.safetensors", saved(WEIGHTS)),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


def load(place: Path, name: str, content: bytes) -> None:
    (place / name).write_bytes(content)
    module = network()
    with refused():
        load_checkpoint(module, place / name, "net")


@cases(0.08, 30)
@given(st.sampled_from(FILES), CHANGED)
def test_changed_files(place, file, changes):
    load(place, file[0], changed(file[1], changes))


HEADER = json.loads(SAFE[8 : 8 + struct.unpack("<Q", SAFE[:8])[0]])
DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I8", "U8", "BOOL", "F8_E4M3", "F8_E8M0", "F4", "C64", "U16", "U64", "X")
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(DTYPES) | VALUES,
        "shape": st.lists(st.sampled_from([0, 1, 2, 4, 36, 2**31, 2**62, 2**64, -1]), max_size=4) | VALUES,
        "data_offsets": st.lists(st.sampled_from([0, 16, 48, 432, 10**15, 2**63, -1]), max_size=3) | VALUES,
    },
)


@cases(0.04, 20)
@given(st.sampled_from([*HEADER, "other", ""]), ENTRY, st.sampled_from([0, 1, 2**20, 2**40, 2**63]))
def test_headers_of_safetensors(place, key, entry, more):
    header = HEADER | {key: HEADER.get(key, {}) | entry}
    text = json.dumps(header).encode()
    length = struct.pack("<Q", (len(text) + more) % 2**64)
    load(place, "w.safetensors", length + text + SAFE[-500:])


@pytest.mark.parametrize("length", [2**30, 2**40, 2**63, 2**64 - 1])
def test_a_header_that_says_it_is_huge(place, length):
    (place / "w.safetensors").write_bytes(struct.pack("<Q", length) + b"{" + b" " * 100)
    with pytest.raises(StudyError, match="is truncated or no safetensors file"):
        load_checkpoint(network(), place / "w.safetensors", "net")


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float64, torch.complex64, torch.uint8, torch.bool, torch.bfloat16]
)
def test_weights_of_another_type(place, dtype):
    content = WEIGHTS | {"0.bias": torch.ones(4).to(dtype)}
    load(place, "w.pt", saved(content))
    load(place, "w.safetensors", save(content))


STRANGE = {
    "sparse": lambda w: w.to_sparse(),
    "quantized": lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8),
    "without values": lambda w: w.to("meta"),
    "complex": lambda w: w.to(torch.complex64),
}


@pytest.mark.filterwarnings("ignore")  # torch's own, of quantized tensors
@pytest.mark.parametrize("kind", STRANGE)
def test_tensors_that_are_none_of_numbers_in_rows(place, kind):
    (place / "w.pt").write_bytes(saved(WEIGHTS | {"0.bias": STRANGE[kind](torch.ones(4))}))
    with pytest.raises(StudyError, match=r"0\.bias is no plain tensor of numbers|would run code"):
        load_checkpoint(network(), place / "w.pt", "net")


def test_counts_of_batches_that_are_none(place):
    content = WEIGHTS | {"1.num_batches_tracked": torch.zeros(3)}
    (place / "w.pt").write_bytes(saved(content))
    with pytest.raises(StudyError, match=r"num_batches_tracked is 3 in the file"):
        load_checkpoint(network(), place / "w.pt", "net")


def test_dicts_that_hold_themselves(place):
    content: dict = {"a": torch.ones(2)}
    content["model"] = content
    (place / "w.pt").write_bytes(saved(content))
    with pytest.raises(StudyError, match="holds dicts in dicts without an end"):
        load_checkpoint(network(), place / "w.pt", "net")


@pytest.mark.parametrize("name", ["w.pt", "w.bin", "w.safetensors", "w.ckpt", "w"])
def test_no_code_runs_under_whatever_name(place, tmp_path, name):
    ran = tmp_path / "ran"
    for content in (pickle.dumps(Runs(ran)), saved({"w": Runs(ran)}), pickle.dumps({"state_dict": Runs(ran)}, 0)):
        (place / name).write_bytes(content)
        with refused(), pytest.raises(StudyError):
            load_checkpoint(network(), place / name, "net")
    assert not ran.exists()


@pytest.mark.parametrize("packed", ["data.pkl", "data/0"])
def test_a_zip_bomb_is_refused_before_it_is_opened(place, packed):
    """PyTorch's own reader would unpack it: ten megabytes of zeros are ten kilobytes here."""
    with zipfile.ZipFile(place / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr(f"archive/{packed}", b"\0" * 10_000_000)
    assert (place / "bomb.pt").stat().st_size < 20_000
    with pytest.raises(StudyError, match=r"is a compressed zip .*Unpack it"):
        load_checkpoint(network(), place / "bomb.pt", "net")


@pytest.mark.parametrize("path", ["a" * 300 + ".pt", "a\0b.pt", "w.pt/inside.pt"])
def test_paths_that_no_file_has(place, path):
    (place / "w.pt").write_bytes(saved(WEIGHTS))
    with pytest.raises(StudyError, match=r"is no path that can be opened|is a file, so there is nothing below it"):
        load_checkpoint(network(), place / path, "net")
