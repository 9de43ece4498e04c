"""Networks from elsewhere answer as they did there: PyTorch's, Gluon's, those of 2017."""

import dataclasses
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.model.bundle import Folder, read_bundle
from classifier.model.labels import IMAGENET_LABELS
from classifier.model.lean_mxnet import mx
from classifier.model.manifest import legacy_manifest
from classifier.model.network import Model
from tools.errors import ToolError
from tools.model import cli as tool
from tools.model.catalogue import NETWORKS
from tools.model.formats import to_bundle
from tools.model.mxnet_files import params_file, save_arrays
from tools.model.new_bundle import NewBundle

CHECKPOINTS = Path(__file__).parent / "test_model_checkpoints"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("".join(f"class {number}\n" for number in range(10)))
    return path


def answers(model: Model, images: np.ndarray) -> np.ndarray:
    return np.concatenate([model.classify(image[None]) for image in images])


@pytest.mark.parametrize(
    ("file", "network"),
    [
        ("resnet-18-zip.pth", "resnet-18"),
        ("resnet-18-stream.pth", "resnet-18"),
        ("resnet-18.safetensors", "resnet-18"),
        ("resnet-34-training.pth", "resnet-34"),
    ],
)
def test_a_checkpoint_answers_as_it_did_in_pytorch(
    file: str, network: str, labels: Path, tmp_path: Path
) -> None:
    """PyTorch's own files and PyTorch's own answers: see make.py beside them."""
    status = tool.main(
        ["import", str(CHECKPOINTS / file), "--labels", str(labels), "--to", str(tmp_path / "to")]
    )
    assert status == 0
    bundle = read_bundle(Folder(tmp_path / "to"))
    assert bundle.manifest.name == network
    assert file in bundle.manifest.source
    assert hashlib.sha256((CHECKPOINTS / file).read_bytes()).hexdigest() in bundle.manifest.source
    theirs = np.load(CHECKPOINTS / f"{network}.npz")
    np.testing.assert_allclose(
        answers(Model.load(bundle), theirs["images"]), theirs["probabilities"], atol=1e-5
    )


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of an error."""
    assert tool.main([str(argument) for argument in arguments]) != 0
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("Error: ")
    assert output.err.count("\n") == 1
    return output.err


def test_a_whole_pickled_model_is_refused(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, to = CHECKPOINTS / "whole-model.pth", tmp_path / "to"
    message = refused(capsys, "import", file, "--labels", labels, "--to", to)
    assert "whole-model.pth: it holds more than tensors" in message
    assert "save model.float().state_dict() instead" in message
    assert not to.exists()


def test_labels_of_the_wrong_count_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, to = CHECKPOINTS / "resnet-18-zip.pth", tmp_path / "to"
    message = refused(capsys, "import", file, "--labels", IMAGENET_LABELS, "--to", to)
    assert f"{IMAGENET_LABELS}: 1000 labels for 10 outputs" in message
    assert not to.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a checkpoint at all" * 10])
def test_what_is_no_checkpoint_is_refused(
    content: bytes, labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file.pth").write_bytes(content)
    message = refused(
        capsys, "import", tmp_path / "file.pth", "--labels", labels, "--to", tmp_path / "to"
    )
    assert f"{tmp_path / 'file.pth'}: " in message


@pytest.fixture(scope="module")
def gluon() -> Any:
    """Gluon's own resnet18_v1, with batch-norm statistics that are not the identity."""
    mx.random.seed(3)
    network = mx.gluon.model_zoo.vision.resnet18_v1(prefix="resnetv10_")
    network.initialize(mx.init.Xavier())
    network.hybridize()
    network(mx.nd.zeros((1, 3, 32, 32)))
    random = np.random.default_rng(3)
    for name, parameter in network.collect_params().items():
        if "batchnorm" in name:
            spread = random.uniform(0.5, 1.5, parameter.shape)
            parameter.set_data(mx.nd.array(spread - ("mean" in name or "beta" in name)))
    return network


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(2, 3, 224, 224)).astype(np.float32)


@pytest.fixture(scope="module")
def gluon_answers(gluon: Any, images: np.ndarray) -> np.ndarray:
    probabilities: np.ndarray = mx.nd.softmax(gluon(mx.nd.array(images))).asnumpy()
    assert probabilities.std() > 1e-4  # the classes differ
    return probabilities


def test_gluons_own_export_becomes_a_bundle(
    gluon: Any, images: np.ndarray, gluon_answers: np.ndarray, tmp_path: Path
) -> None:
    gluon.export(str(tmp_path / "net"))
    files = tmp_path / "net-symbol.json", tmp_path / "net-0000.params", IMAGENET_LABELS
    options = "--name", "gluon", "--size", "224", "--resize", "256", "--to", tmp_path / "to"
    assert tool.main([str(part) for part in ("bundle", *files, *options)]) == 0
    bundle = read_bundle(Folder(tmp_path / "to"))
    assert not bundle.manifest.output.probabilities
    assert bundle.manifest.input.fit == "crop"
    np.testing.assert_allclose(answers(Model.load(bundle), images), gluon_answers, atol=1e-5)


@pytest.mark.parametrize("names", ["structure", "layers", "layers with a prefix"])
def test_gluons_saved_parameters_become_a_bundle(
    names: str, gluon: Any, images: np.ndarray, gluon_answers: np.ndarray, tmp_path: Path
) -> None:
    """In the names of today's ``save_parameters`` and of the older ``save_params``."""
    path = str(tmp_path / "x.params")
    if names == "structure":
        gluon.save_parameters(path)
    else:
        prefix = "" if names == "layers with a prefix" else gluon.prefix
        gluon.collect_params().save(path, strip_prefix=prefix)
    bundle = gluon_bundle(zipped(path), sha1=sha1(path))
    np.testing.assert_allclose(answers(bundle.model(), images), gluon_answers, atol=1e-5)


def gluon_bundle(file: bytes, *, sha1: str, entry: str = "x.params") -> NewBundle:
    """What `fetch` makes of Gluon's ResNet-18 in ``file``."""
    network = NETWORKS["resnet-18"]
    source = dataclasses.replace(network.sources[0], entry=entry, sha1=sha1)
    return to_bundle(network, source, [file])


def test_a_gluon_zip_with_other_parameters_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "x.params")
    mx.nd.save(path, {"features.0.weight": mx.nd.zeros((2, 3, 7, 7))})
    with pytest.raises(ToolError, match=r"wrong checksum: SHA-1 of x\.params is"):
        gluon_bundle(zipped(path), sha1="0" * 40)
    with pytest.raises(ToolError, match=r"'features.0.weight' is \(2, 3, 7, 7\), not \(64, "):
        gluon_bundle(zipped(path), sha1=sha1(path))
    with pytest.raises(ToolError, match="not the zip"):
        gluon_bundle(zipped(path), entry="y.params", sha1=sha1(path))
    with pytest.raises(ToolError, match="not the zip"):
        gluon_bundle(b"<html>", sha1=sha1(path))


def zipped(path: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "x.params")
    return file.getvalue()


def sha1(path: str) -> str:
    return hashlib.sha1(Path(path).read_bytes()).hexdigest()


def test_a_network_of_2017_takes_raw_pixels(tmp_path: Path) -> None:
    """Batch norm on the image itself, then a layer, then SoftmaxOutput; worked out by NumPy."""
    data = mx.sym.Variable("data")
    normed = mx.sym.BatchNorm(data, name="bn_data", fix_gamma=True, eps=2e-5)
    pooled = mx.sym.Flatten(
        mx.sym.Pooling(normed, global_pool=True, kernel=(7, 7), pool_type="avg")
    )
    scores = mx.sym.FullyConnected(pooled, num_hidden=1000, name="fc1")
    symbol = mx.sym.SoftmaxOutput(scores, name="softmax").tojson().encode()
    random = np.random.default_rng(5)
    mean, variance = np.float32([123, 116, 103]), np.float32([3400, 3200, 3300])
    weight = random.normal(size=(1000, 3)).astype(np.float32)
    bias = random.normal(size=1000).astype(np.float32)
    params = params_file(
        # fix_gamma: whatever the file says, it counts as one.
        {"bn_data_gamma": np.float32([7, 7, 7]), "bn_data_beta": np.float32([0.1, 0.2, 0.3]),
         "fc1_weight": weight, "fc1_bias": bias},
        {"bn_data_moving_mean": mean, "bn_data_moving_var": variance},
    )  # fmt: skip

    network = NETWORKS["resnet-18"]
    manifest = to_bundle(network, network.sources[2], [symbol, params]).write(tmp_path / "to")
    assert manifest.input == legacy_manifest().input
    assert manifest.output.probabilities

    image = random.uniform(0, 255, (2, 3, 224, 224)).astype(np.float32)
    colour = (image.mean((2, 3)) - mean) / np.sqrt(variance + 2e-5) + np.float32([0.1, 0.2, 0.3])
    powers = np.exp(colour @ weight.T + bias)
    ours = answers(Model.load(read_bundle(Folder(tmp_path / "to"))), image)
    np.testing.assert_allclose(ours, powers / powers.sum(1, keepdims=True), atol=1e-5)


def test_an_input_of_another_name_is_recognised(tmp_path: Path) -> None:
    pooled = mx.sym.Flatten(mx.sym.mean(mx.sym.Variable("image"), axis=(2, 3)))
    symbol = mx.sym.FullyConnected(pooled, num_hidden=2, name="fc")
    (tmp_path / "s.json").write_text(symbol.tojson())
    arrays = {"arg:fc_weight": mx.nd.ones((2, 3)), "arg:fc_bias": mx.nd.zeros(2)}
    (tmp_path / "p.params").write_bytes(save_arrays(arrays))
    (tmp_path / "labels").write_text("one\ntwo\n")
    files = [str(tmp_path / name) for name in ("s.json", "p.params", "labels")]
    options = ["--name", "x", "--size", "8", "--to", str(tmp_path / "to")]
    assert tool.main(["bundle", *files, *options]) == 0
    assert read_bundle(Folder(tmp_path / "to")).manifest.input.name == "image"


def test_a_bundle_with_a_slash_in_its_name_is_refused(tmp_path: Path) -> None:
    bundle = NewBundle(
        name="no/name", preprocessing=legacy_manifest().input, probabilities=True, source="x",
        symbol=b"", params=b"", labels=b"",
    )  # fmt: skip
    with pytest.raises(ToolError, match="'no/name' is no name"):
        bundle.write(tmp_path / "to")
    assert list(tmp_path.iterdir()) == []
