"""Networks built from state dicts answer as ONNX Runtime does, on the same weights."""

from pathlib import Path

import checkpoints
import numpy as np
import onnxruntime
import pytest

from tools.errors import ToolError
from tools.model.architectures.layer import Layer, same_padding
from tools.model.architectures.resnet import ResNet
from tools.model.catalogue import INPUTS, NETWORKS
from tools.model.checkpoint import checkpoint_bundle, import_checkpoint, recognise
from tools.model.new_bundle import NewBundle
from tools.model.onnx_graph import onnx_model

STATES = {
    "resnet-18": checkpoints.state_dict(ResNet(widths=(8, 12, 16, 24), classes=10)),
    "resnet-50": checkpoints.state_dict(
        ResNet((3, 4, 6, 3), (64, 96, 128, 256), 10, (16, 24, 32, 64), stem=16), contrast=0.0015
    ),
    "mobilenet-v2": checkpoints.mobilenet_v2(),
    **checkpoints.LITE,
}
LABELS = "".join(f"class {number}\n" for number in range(10)).encode()


def bundle_of(state: checkpoints.State) -> NewBundle:
    data = checkpoints.save(state)
    return checkpoint_bundle(data, "x", labels=LABELS, labels_origin="labels", source="a test")


def probabilities(state: checkpoints.State, size: int, images: np.ndarray) -> np.ndarray:
    """What ONNX Runtime answers."""
    session = onnxruntime.InferenceSession(
        onnx_model(state, size), providers=["CPUExecutionProvider"]
    )
    return np.concatenate([session.run(None, {"data": image[None]})[0] for image in images])


@pytest.mark.parametrize("name", STATES)
def test_a_network_answers_as_onnx_runtime_does(name: str) -> None:
    bundle = bundle_of(STATES[name])
    assert bundle.name == name
    size = bundle.preprocessing.size
    images = np.random.default_rng(1).normal(size=(2, 3, size, size)).astype(np.float32)
    images[1] *= 3
    theirs = probabilities(STATES[name], size, images)
    ours = bundle.model().classify(list(images))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    # Not the trivial kind of agreement: the answers are neither flat, certain nor the same.
    assert 0.2 < theirs.max() < 0.95
    assert np.abs(theirs[0] - theirs[1]).max() > 1e-3


@pytest.mark.parametrize("name", [name for name in STATES if name in NETWORKS])
def test_the_preprocessing_is_the_catalogues(name: str) -> None:
    assert bundle_of(STATES[name]).preprocessing == NETWORKS[name].input


def test_the_full_resnet_50_has_the_published_number_of_parameters() -> None:
    network = ResNet((3, 4, 6, 3), (256, 512, 1024, 2048), 1000, (64, 128, 256, 512), stem=64)
    convolutions = sum(int(np.prod(layer.shape)) for layer in network.layers())
    norms = sum(2 * layer.shape[0] for layer in network.layers())
    last = (network.width + 1) * network.classes
    assert convolutions + norms + last == NETWORKS["resnet-50"].parameters


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        (224, 3, 2, (0, 1)),
        (56, 5, 2, (1, 2)),
        (15, 5, 2, (2, 2)),
        (65, 3, 2, (1, 1)),
        (7, 3, 1, (1, 1)),
        (7, 5, 1, (2, 2)),
        (7, 1, 1, (0, 0)),
    ],
)
def test_padding_is_tensorflows(
    size: int, kernel: int, stride: int, padding: tuple[int, int]
) -> None:
    assert same_padding(size, kernel, stride) == padding


def test_uneven_padding_becomes_zeros_in_the_kernel() -> None:
    layer = Layer("c", "n", ("c", "n"), (2, 1, 3, 3), stride=2, padding=(0, 1), groups=2)
    folded = layer.fold(np.ones((2, 1, 3, 3), np.float32))
    assert folded.shape == (2, 1, 4, 4)
    assert folded[:, :, 1:, 1:].all()
    assert not folded[:, :, 0].any()
    assert not folded[:, :, :, 0].any()


@pytest.mark.parametrize("prefix", ["module.", "backbone.", "model.", "net.", "module.model."])
def test_prefixes_are_recognised(prefix: str) -> None:
    plain = bundle_of(STATES["resnet-18"])
    state = {f"{prefix}{name}": array for name, array in STATES["resnet-18"].items()}
    assert bundle_of(state).params == plain.params


def test_an_unknown_network_is_refused_with_its_first_ten_names() -> None:
    state = {f"layer_{number}": np.zeros(1, np.float32) for number in range(12)}
    with pytest.raises(ToolError) as caught:
        recognise(state)
    message = str(caught.value)
    assert "layer_0, layer_1" in message
    assert "layer_9, …" in message
    assert "layer_10" not in message
    assert "MobileNetV2" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_blocks.3._se_reduce.weight": np.zeros((1, 1, 1, 1), np.float32)}, "squeeze-and-exc"),
        ({"_blocks.16._depthwise_conv.weight": np.zeros((1, 1, 3, 3), np.float32)}, "another size"),
        ({"_more.weight": np.zeros(1, np.float32)}, "'_more.weight' has no place in efficientnet"),
        ({"_conv_head.weight": None}, "the network needs '_conv_head.weight'"),
        ({"_bn1.bias": None}, "the network needs '_bn1.bias'"),
        ({"_bn1.bias": np.zeros(3, np.float32)}, r"'_bn1.bias' is \(3,\), not \(1280,\)"),
        ({"_conv_head.weight": np.zeros(3, np.float32)}, "is no convolution's"),
    ],
)
def test_a_damaged_state_dict_is_refused(
    change: dict[str, np.ndarray | None], message: str, tmp_path: Path
) -> None:
    state = STATES["efficientnet-lite0"] | change
    file, labels = tmp_path / "file.safetensors", tmp_path / "labels"
    file.write_bytes(checkpoints.save({n: a for n, a in state.items() if a is not None}))
    labels.write_bytes(LABELS)
    with pytest.raises(ToolError, match=message) as caught:
        import_checkpoint(file, labels)
    assert str(caught.value).startswith(f"{file}: ")


def test_every_input_of_the_catalogue_is_used() -> None:
    used = {network.input for network in NETWORKS.values()}
    used |= {each.preprocessing for network in NETWORKS.values() for each in network.sources}
    assert used == set(INPUTS.values())
