"""A file that cannot be imported: the message says what it is, and what to do."""

import io
import pickle
import zipfile
from pathlib import Path

import pytest

from tools.errors import ToolError
from tools.model import cli as tool
from tools.model.checkpoint import read_state, recognise
from tools.model.other_files import is_onnx, refuse_for_bundle
from tools.model.torch_file import read_pth
from tools.project import ROOT

ONNX_FILES = sorted((ROOT / "tests/integration/test_model_onnx_files").glob("*.onnx"))
CHECKPOINTS = sorted((ROOT / "tests/integration/test_model_checkpoints").glob("resnet*.*t*"))
DEMO = ROOT / "models/demo"


def zip_of(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"content")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5 file, as Keras writes; export"),
        (b"\x1c\0\0\0TFL3" + bytes(100), "TensorFlow Lite"),
        (next(DEMO.glob("*.params")).read_bytes(), r"MXNet's parameters; .* bundle"),
        (next(DEMO.glob("*-symbol.json")).read_bytes(), "MXNet's symbol"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (pickle.dumps({"w": 1}), r"torch\.save did not write"),
        (zip_of("net/data.pkl", "net/constants.pkl", "net/code/x.py"), r"torch\.jit\.load"),
        (zip_of("config.json", "model.weights.h5"), "a Keras network; export"),
        (zip_of("serialized_exported_program.json"), r"torch\.export"),
    ],
    ids=[
        *("empty", "hdf5", "tflite", "params", "symbol", "lfs", "html", "pickle"),
        *("torchscript", "keras", "exported program"),
    ],
)  # fmt: skip
def test_other_file_is_named(data: bytes, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        read_state(data)


@pytest.mark.parametrize("path", ONNX_FILES, ids=lambda path: path.name)
def test_onnx_file_is_recognised_whatever_its_name(path: Path) -> None:
    data = path.read_bytes()
    assert is_onnx(data)
    with pytest.raises(ToolError, match=r"give its file the ending \.onnx"):
        read_state(data)
    with pytest.raises(ToolError, match=r"net: it is an ONNX network; .* import"):
        refuse_for_bundle("net", data)


@pytest.mark.parametrize("path", [*CHECKPOINTS, *DEMO.iterdir()], ids=lambda path: path.name)
def test_other_files_are_no_onnx(path: Path) -> None:
    assert not is_onnx(path.read_bytes())


def test_checkpoint_given_to_bundle_is_sent_to_import(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "network.pth").write_bytes(zip_of("net/data.pkl"))
    arguments = ["bundle", tmp_path / "network.pth", *[DEMO / "synset.txt"] * 2]
    options = ["--name", "x", "--size", "28", "--to", tmp_path / "to"]
    assert tool.main([str(part) for part in (*arguments, *options)]) == 1
    assert "network.pth: it is a zip, as PyTorch writes" in capsys.readouterr().err


def test_whole_model_names_its_class() -> None:
    path = ROOT / "tests/integration/test_model_checkpoints/whole-model.pth"
    with pytest.raises(ToolError, match=r"as a whole pickled model does: __main__\.ResNet; "):
        read_pth(path.read_bytes())


def test_unknown_network_shows_its_names_and_those_that_are_known() -> None:
    with pytest.raises(ToolError, match=r"its tensors are conv_stem\.weight\. .*\(conv1\.weight, "):
        recognise({"conv_stem.weight": None})
