"""ONNX networks become bundles that answer as ONNX Runtime does, or nothing is written."""

import dataclasses
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_models
import pytest
from onnx_models import model, node, numbers

from classifier.errors import BundleError
from classifier.image.preprocessing import Preprocessing
from classifier.model.bundle import Folder, read_bundle
from classifier.model.lean_mxnet import mx
from classifier.model.network import Model
from tools.errors import ToolError
from tools.model import cli as tool
from tools.model.files import open_folder
from tools.model.images import ImageFile
from tools.model.new_bundle import NewBundle
from tools.model.onnx import importer, proof
from tools.model.onnx.check import read_model
from tools.model.onnx.importer import import_onnx
from tools.model.onnx.operators import table
from tools.model.onnx.preprocessing import Choices
from tools.model.onnx.runtime import Session
from tools.model.quantize import quantize

FILES = Path(__file__).parent / "test_model_onnx_files"
NETWORKS = sorted(path.stem for path in FILES.glob("*.onnx"))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("".join(f"c{number} class {number}\n" for number in range(10)))
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve images of coloured patches, as JPEG files would be."""
    import cv2

    folder = tmp_path / "images"
    folder.mkdir()
    random = np.random.default_rng(5)
    for number in range(12):
        patches = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
        pixels = cv2.resize(patches, (50, 40), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"c{number % 10}_{number}.png"), pixels)
    return folder


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def onnxruntime_answers(path: Path, tensors: list[np.ndarray]) -> np.ndarray:
    session = Session(onnx.load_model(path))
    outputs = [session.run(tensor[np.newaxis])[0] for tensor in tensors]
    return softmax(np.concatenate(outputs))


def test_there_are_all_networks():
    assert len(NETWORKS) == 24


def import_here(file: Path, labels: Path, *images: Path) -> tuple[NewBundle, tuple[str, ...]]:
    """What the import does in a process of its own, in this one: quicker, and not limited."""
    job = importer._Job(file, labels, Choices(), None, file.stem, images)
    return importer._import(job, read_model(file))


def test_import(
    labels: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, to = FILES / "resnet-new.onnx", tmp_path / "to"
    arguments = ["import", file, "--labels", labels, "--to", to, "--images", images]
    assert tool.main([str(argument) for argument in arguments]) == 0
    output = capsys.readouterr().out
    assert "size 32: from the graph\n" in output
    assert "mean 0.485,0.456,0.406: assumed, ImageNet's (--mean)\n" in output
    assert re.search(r"^14 images, as ONNX Runtime: probabilities within ", output, re.MULTILINE)
    manifest = read_bundle(Folder(to)).manifest
    assert manifest.name == "resnet-new"
    assert hashlib.sha256(file.read_bytes()).hexdigest() in manifest.source


@pytest.mark.parametrize("network", NETWORKS)
def test_exported_network_answers_as_in_onnx_runtime(
    network: str, labels: Path, images: Path
) -> None:
    """PyTorch's two exporters wrote the files: see make.py beside them."""
    file = FILES / f"{network}.onnx"
    paths = sorted(images.iterdir())
    bundle, remarks = import_here(file, labels, *paths)
    assert remarks[-1].startswith("18 images, as ONNX Runtime: probabilities within ")
    assert not bundle.probabilities
    tensors = [ImageFile(path, None).tensor(bundle.preprocessing) for path in paths]
    ours = bundle.model().classify(tensors)
    theirs = onnxruntime_answers(file, tensors)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    # Not the trivial kind of agreement: the answers are neither flat nor all the same.
    assert theirs.max() > 0.3
    assert theirs.std(axis=0).max() > 0.02


@pytest.mark.parametrize("network", [name for name in NETWORKS if name.endswith("-old")])
def test_imported_network_is_quantized(
    network: str, labels: Path, images: Path, tmp_path: Path
) -> None:
    float32, int8 = tmp_path / "float32", tmp_path / "int8"
    import_here(FILES / f"{network}.onnx", labels)[0].write(float32)
    arguments = ["quantize", float32, "--images", images, "--to", int8, "--force"]
    assert tool.main([str(argument) for argument in arguments]) == 0
    note = json.loads((int8 / "manifest.json").read_bytes())["quantization"]
    assert note["agreement"] >= 0.5
    assert note["embedding_cosine"] > 0.95
    bundle = read_bundle(Folder(int8))
    assert b"quantized" in bundle.symbol
    before, after = (Model.load(each).sizes for each in (read_bundle(Folder(float32)), bundle))
    assert after == before


# Of the others the last layer stands on a norm (ConvNeXt) or on another such layer (VGG).
WITHOUT_MAPS = ("convnext", "vgg")


@pytest.mark.parametrize("network", NETWORKS)
def test_layers_of_imported_networks_are_found(network: str, labels: Path) -> None:
    bundle, remarks = import_here(FILES / f"{network}.onnx", labels)
    model = bundle.model()
    assert f"embedding: {model.sizes.embedding} numbers" in remarks
    assert model.sizes.embedding > 1
    has_maps = not network.startswith(WITHOUT_MAPS)
    assert (model.sizes.map is not None) == has_maps
    if not has_maps:
        assert "maps: none: its last layer is no linear one on the average of a feature map" in (
            remarks
        )
        return
    size = bundle.preprocessing.size
    tensors = np.random.default_rng(1).standard_normal((2, 3, size, size), np.float32)
    outputs = model.classify_with_layers(list(tensors))
    assert outputs.features is not None
    evidence = outputs.features.mean((2, 3)) @ model.last_weights.T
    logits = np.log(outputs.probabilities)
    difference = (evidence[0] - evidence[1]) - (logits[0] - logits[1])
    np.testing.assert_allclose(difference - difference.mean(), 0, atol=1e-3)


@pytest.mark.parametrize("groups", [1, 4, 32])
def test_grouped_convolutions_stay_precise_in_int8(groups: int, tmp_path: Path) -> None:
    """MXNet quantizes them wrongly, unless there is one channel in each group: see ``grouped``."""
    constants = {"a": numbers(32, 3, 3, 3), "g": numbers(32, 32 // groups, 3, 3) / 5}
    constants |= {"v": numbers(32, 4) / 3}
    nodes = [
        node("Conv", "x", "a", to="c"),
        node("Relu", "c", to="r"),
        node("Conv", "r", "g", to="d", group=groups),
        node("GlobalAveragePool", "d", to="p"),
        node("Flatten", "p", to="f"),
        node("MatMul", "f", "v"),
    ]
    exported = model(*nodes, constants=constants, shape=(1, 3, 16, 16), flatten=False)
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\nd\n")
    draft, _ = import_here(onnx_models.saved(exported, tmp_path / "network.onnx"), labels)
    draft.write(tmp_path / "bundle")
    images = [FakeImage(tensor) for tensor in proof.random_images(draft.preprocessing)]
    bundle = open_folder(tmp_path / "bundle")
    int8 = quantize(bundle, labels.read_bytes(), images, method="naive", advance=lambda: None)
    tensors = [image.values for image in images]
    before, after = draft.model().classify(tensors), int8.model().classify(tensors)
    assert np.corrcoef(np.log(before).ravel(), np.log(after).ravel())[0, 1] > 0.999


@dataclasses.dataclass(frozen=True)
class FakeImage:
    """Stands for an ImageFile: its tensor is there already."""

    values: np.ndarray
    answer: int | None = None

    def tensor(self, _preprocessing: Preprocessing) -> np.ndarray:
        return self.values


def fused_operators(symbol: bytes) -> list[str]:
    """What is left after MXNet has put together what oneDNN computes at once."""
    fused = mx.sym.load_json(symbol.decode()).get_backend_symbol("MKLDNN")
    return [each["op"] for each in json.loads(fused.tojson())["nodes"] if each["op"] != "null"]


@pytest.mark.parametrize(
    ("network", "separate"),
    [
        ("resnet", set()),
        ("resnext", set()),
        ("mobilenet-v2", set()),
        ("vgg", set()),
        ("inception", {"Concat"}),
        ("se-resnet", {"broadcast_mul"}),
        ("densenet", {"BatchNorm", "Activation", "Concat"}),
        ("convnext", {"LayerNorm", "transpose"}),
    ],
)
def test_convolution_activation_and_sum_are_fused(
    network: str, separate: set[str], labels: Path
) -> None:
    bundle, _ = import_here(FILES / f"{network}-old.onnx", labels)
    operators = set(fused_operators(bundle.symbol))
    always = {"_sg_mkldnn_conv", "_sg_mkldnn_fully_connected", "Pooling", "Flatten", "Reshape"}
    assert operators - always == separate


def imported(
    exported: onnx.ModelProto, folder: Path, choices: Choices | None = None
) -> tuple[NewBundle, list[str]]:
    labels = folder / "numbered.txt"
    labels.write_text("a\nb\nc\nd\n")
    path = onnx_models.saved(exported, folder / "network.onnx")
    remarks: list[str] = []
    bundle = import_onnx(path, labels, choices or Choices(), report=remarks.append)
    return bundle, remarks


def small(*, last: str | None = None, shape=("n", 3, "h", "w")) -> onnx.ModelProto:
    constants = {"w": numbers(4, 3, 3, 3), "v": numbers(4, 4)}
    nodes = [
        node("Conv", "x", "w", to="c"),
        node("GlobalAveragePool", "c", to="p"),
        node("Flatten", "p", to="f"),
        node("MatMul", "f", "v", to="m" if last else "y"),
        *([node(last, "m")] if last else []),
    ]
    return model(*nodes, constants=constants, shape=shape, flatten=False)


@pytest.mark.parametrize(("last", "probabilities"), [(None, False), ("Softmax", True)])
def test_softmax_at_the_end_is_recognised(
    last: str | None, probabilities: bool, tmp_path: Path
) -> None:
    bundle, _ = imported(small(last=last), tmp_path, Choices(size=16))
    assert bundle.probabilities == probabilities
    answers = bundle.model().classify([numbers(3, 16, 16)])
    assert answers.sum() == pytest.approx(1)


def test_what_is_assumed_is_said(tmp_path: Path) -> None:
    bundle, remarks = imported(small(), tmp_path)
    assert (bundle.preprocessing.size, bundle.preprocessing.resize) == (224, 256)
    assert remarks[:-3] == [
        "size 224: assumed, the graph leaves it open (--size)",
        "crop, short side to 256: assumed (--fit, --resize)",
        "color RGB: assumed (--color)",
        "scale 0.00392157: assumed, pixels become 0..1 (--scale)",
        "mean 0.485,0.456,0.406: assumed, ImageNet's (--mean)",
        "std 0.229,0.224,0.225: assumed, ImageNet's (--std)",
    ]


def test_what_is_given_is_not_assumed(tmp_path: Path) -> None:
    choices = Choices(
        size=24, fit="squash", color="BGR", scale=1.0, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)
    )
    bundle, remarks = imported(small(), tmp_path, choices)
    expected = Preprocessing("data", 24, 24, "squash", "BGR", 1.0, (1, 2, 3), (4, 5, 6))
    assert bundle.preprocessing == expected
    assert bundle.name == "network"  # the file's
    assert len(remarks) == 3


def test_preprocessing_of_a_network_that_is_alike(tmp_path: Path) -> None:
    like = Preprocessing(size=32, resize=40, fit="crop", color="BGR", scale=0.5)
    bundle, remarks = imported(small(), tmp_path, Choices(like=like))
    assert bundle.preprocessing == like
    assert len(remarks) == 3
    fixed = small(shape=(1, 3, 16, 16))
    bundle, _ = imported(
        fixed, tmp_path, Choices(like=dataclasses.replace(like, size=16, resize=20))
    )
    assert (bundle.preprocessing.size, bundle.preprocessing.resize) == (16, 20)


def test_resize_contradicts_squash(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="--resize goes with --fit crop"):
        imported(small(), tmp_path, Choices(size=16, resize=20, fit="squash"))


def test_channels_last(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", "x", to="t", perm=[0, 3, 1, 2]),
        node("Conv", "t", "w", to="c"),
        node("GlobalAveragePool", "c", to="y"),
    ]
    constants = {"w": numbers(4, 3, 3, 3)}
    bundle, _ = imported(model(*nodes, constants=constants, shape=("n", 16, 16, 3)), tmp_path)
    assert bundle.preprocessing.size == 16
    assert b"transpose" not in bundle.symbol


def test_external_data(tmp_path: Path) -> None:
    exported = small(shape=(1, 3, 16, 16))
    (tmp_path / "numbered.txt").write_text("a\nb\nc\nd\n")
    path = tmp_path / "network.onnx"
    onnx.save_model(
        exported, path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    bundle = import_onnx(path, tmp_path / "numbered.txt", Choices(), report=lambda _: None)
    assert bundle.model().classify([numbers(3, 16, 16)]).shape == (1, 4)


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line that the tool says when it refuses."""
    assert tool.main([str(argument) for argument in arguments]) != 0
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("Error: ")
    assert output.err.count("\n") == 1
    return output.err


def test_operators_that_are_not_imported_are_listed(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = model(
        node("Sin", "x", to="s"),
        node("ConvTranspose", "s", "w", to="y"),
        constants={"w": numbers(3, 4, 1, 1)},
    )
    file, to = onnx_models.saved(exported, tmp_path / "odd.onnx"), tmp_path / "to"
    message = refused(capsys, "import", file, "--labels", labels, "--to", to)
    assert f"{file}: 2 nodes cannot be imported: " in message
    assert "Sin 'Sin/s'" in message
    assert "ConvTranspose 'ConvTranspose/y'" in message
    assert not to.exists()


def test_labels_of_the_wrong_count(
    tmp_path: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = onnx_models.saved(small(), tmp_path / "four.onnx")
    message = refused(capsys, "import", file, "--labels", labels, "--to", tmp_path / "to")
    assert f"{labels}: 10 labels for 4 outputs" in message
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("content", [b"", b"not a network at all" * 10])
def test_what_is_no_network(
    content: bytes, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.onnx").write_bytes(content)
    message = refused(
        capsys, "import", tmp_path / "file.onnx", "--labels", labels, "--to", tmp_path / "to"
    )
    assert f"{tmp_path / 'file.onnx'}: not an ONNX file" in message


def test_options_of_onnx_with_another_file(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("import", tmp_path / "a.pth", "--labels", labels, "--to", tmp_path / "to")
    message = refused(capsys, *arguments, "--mean", "1,2,3")
    assert "--mean goes with .onnx files only; leave it out" in message


def test_the_first_layer_that_differs_is_named(
    labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in one operator: the third sigmoid of the network is the first that shows."""

    def wrong(call):
        value = call.value()
        return call.like(value, mx.sym.hard_sigmoid(value.symbol))

    monkeypatch.setitem(table.OPERATORS, "Sigmoid", wrong)
    with pytest.raises(ToolError) as caught:
        import_here(FILES / "se-resnet-old.onnx", labels)
    assert "probabilities differ from ONNX Runtime's by" in caught.value.message
    assert "the first layer that differs is Sigmoid '/2/body/body.3/gate" in caught.value.message
    assert "Nothing was written" in caught.value.message


def test_small_probabilities_are_compared_with_the_largest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand classes of 0.001 each would be within 1e-4 whatever the network computes."""
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"class {number}\n" for number in range(1000)))
    nodes = [
        node("GlobalAveragePool", "x", to="p"),
        node("Flatten", "p", to="f"),
        node("Tanh", "f", to="t"),
        node("MatMul", "t", "w"),
    ]
    exported = model(*nodes, constants={"w": numbers(3, 1000) / 50}, flatten=False)
    path = onnx_models.saved(exported, tmp_path / "flat.onnx")
    import_here(path, labels)
    monkeypatch.setitem(table.OPERATORS, "Tanh", table.OPERATORS["Neg"])
    with pytest.raises(ToolError, match="probabilities differ"):
        import_here(path, labels)
    monkeypatch.setattr(proof, "RELATIVE_TOLERANCE", 1.0)
    import_here(path, labels)


def test_a_network_that_gives_nan(tmp_path: Path) -> None:
    exported = model(
        node("Conv", "x", "w", to="c"),
        node("Sub", "c", "c", to="zero"),
        node("Div", "zero", "zero", to="nan"),
        node("GlobalAveragePool", "nan"),
        constants={"w": numbers(4, 3, 1, 1)},
    )
    with pytest.raises(ToolError, match="the network gives NaN or infinity"):
        imported(exported, tmp_path)


def bomb() -> onnx.ModelProto:
    """A constant of four terabytes, made by a file of some hundred bytes."""
    return model(
        node("ConstantOfShape", "s", to="big"),
        node("ReduceSum", "big", to="sum", keepdims=0),
        node("Add", "x", "sum"),
        constants={"s": np.array([1 << 20, 1 << 20], np.int64)},
    )


def test_a_constant_of_terabytes_is_not_made(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ToolError, match=r"network.onnx: "):
        imported(bomb(), tmp_path)
    assert time.monotonic() - started < 60


def test_values_of_terabytes_are_not_made(tmp_path: Path) -> None:
    pads = np.array([0, 0, 0, 0, 0, 0, 1 << 20, 1 << 20], np.int64)
    nodes = [
        node("Pad", "x", "pads", to="p"),
        node("Relu", "p", to="r"),
        node("GlobalMaxPool", "r", to="m"),
        node("Conv", "m", "w"),
    ]
    constants = {"pads": pads, "w": numbers(4, 3, 1, 1)}
    with pytest.raises((ToolError, BundleError), match=r"network.onnx: "):
        imported(model(*nodes, constants=constants), tmp_path)


def test_time_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "MAX_SECONDS", 0.05)
    with pytest.raises(ToolError, match=r"takes more than 0.05 seconds"):
        imported(small(), tmp_path)


def test_a_process_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the system ends it for its memory."""
    monkeypatch.setattr(importer, "_work", dies)
    with pytest.raises(ToolError, match="takes more memory or time than a classifier does"):
        imported(small(), tmp_path)


def dies(sender: object, _job: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def waits(_process: int) -> None:
    time.sleep(0.3)  # it loads its libraries


def waits_for_the_import(process: int) -> None:
    children = Path(f"/proc/{process}/task/{process}/children")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in children.read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                return
        time.sleep(0.01)


@pytest.mark.parametrize("moment", [waits, waits_for_the_import])
def test_ctrl_c_ends_the_import(
    labels: Path, tmp_path: Path, moment: Callable[[int], None]
) -> None:
    command = [sys.executable, "scripts/model.py", "import", FILES / "resnet-old.onnx"]
    process = subprocess.Popen(
        [*command, "--labels", labels, "--to", tmp_path / "to"],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    moment(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert not (tmp_path / "to").exists()
