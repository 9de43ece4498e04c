"""int8 against float32: what is written, what is refused, what it gains."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import checkpoints
import numpy as np
import pytest

from classifier.image.preprocessing import Preprocessing
from classifier.model.binding import Batch, Input, bind, convert
from classifier.model.bundle import Bundle, Folder, read_bundle
from classifier.model.labels import IMAGENET_LABELS
from classifier.model.lean_mxnet import mx
from classifier.model.network import Model
from tools.model import cli as tool
from tools.model.architectures.resnet import ResNet
from tools.model.checkpoint import state_bundle
from tools.model.commands import int8
from tools.model.comparison import Comparison
from tools.model.crops import crops
from tools.model.digits import held_out_digits
from tools.model.evaluate import probabilities
from tools.model.images import find_images
from tools.model.mxnet_files import params_file
from tools.model.new_bundle import NewBundle
from tools.model.quantize import quantize, split

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "demo"
SHARED_MODELS = os.environ.get("CLASSIFIER_TEST_MODELS", "")
SHARED_IMAGES = os.environ.get("CLASSIFIER_TEST_IMAGES", "")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    for number, digit in enumerate(held_out_digits()[:120]):
        (folder / f"{digit.value}_{number}.png").write_bytes(digit.data)
    return folder


def run(*arguments: object) -> int:
    return tool.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("calibration", ["naive", "entropy"])
def test_an_int8_bundle_loads_and_agrees(
    calibration: str, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "to"
    command = "quantize", DEMO, "--images", digits, "--to", to, "--calibration", calibration
    assert run(*command) == 0, capsys.readouterr().err
    assert "same first label" in capsys.readouterr().out

    bundle = read_bundle(Folder(to))
    assert bundle.manifest.precision == "int8"
    assert bundle.manifest.version == "1-int8"
    assert bundle.labels == read_bundle(Folder(DEMO)).labels
    note = json.loads((to / "manifest.json").read_text())["quantization"]
    assert (note["calibration"], note["calibration_images"], note["held_out_images"]) == (
        calibration, 60, 60,
    )  # fmt: skip

    # The report is what one finds by hand.
    before, after = Model.load(read_bundle(Folder(DEMO))), Model.load(bundle)
    _, held_out = split(find_images(digits, bundle.labels))
    old, new = (probabilities(m, held_out, lambda: None).argmax(1) for m in (before, after))
    answers = np.array([image.answer for image in held_out])
    assert note["agreement"] == pytest.approx(np.mean(old == new), abs=1e-4)
    assert note["int8"]["score"]["top1"] == pytest.approx(np.mean(new == answers), abs=1e-4)
    assert note["float32"]["score"]["top1"] == pytest.approx(np.mean(old == answers), abs=1e-4)
    assert note["agreement"] > 0.9
    # Its arithmetic is another: this is not the same network under another name.
    assert not np.array_equal(
        probabilities(before, held_out[:1], lambda: None),
        probabilities(after, held_out[:1], lambda: None),
    )


@pytest.fixture
def half_agreeing(monkeypatch: pytest.MonkeyPatch) -> None:
    compare = int8.compare

    def worse(*arguments: Any) -> Comparison:
        return dataclasses.replace(compare(*arguments), agreement=0.5)

    monkeypatch.setattr(int8, "compare", worse)


@pytest.mark.usefixtures("half_agreeing")
def test_one_that_agrees_too_little_is_written_only_by_force(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "quantize", DEMO, "--images", digits, "--to", tmp_path / "to"
    assert run(*command) == 1
    said = capsys.readouterr()
    assert said.err.startswith("Error: only 50.0% of the held-out images keep their first label")
    assert list(tmp_path.iterdir()) == []
    assert run(*command, "--min-agreement", "0.5") == 0
    assert run(*command[:-1], tmp_path / "forced", "--force") == 0
    note = json.loads((tmp_path / "forced/manifest.json").read_text())["quantization"]
    assert note["agreement"] == 0.5


@pytest.mark.parametrize(("count", "is_warned"), [(3, True), (63, True), (64, False)])
def test_few_images_are_warned_of(
    count: int, is_warned: bool, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for file in sorted(digits.iterdir())[:count]:
        (images / file.name).symlink_to(file)
    command = "quantize", DEMO, "--images", images, "--to", tmp_path / "to", "--force"
    assert run(*command) == 0
    error = capsys.readouterr().err
    assert error.startswith(f"Warning: {count} images are few: {count // 2} calibrate") == is_warned
    assert bool(error) == is_warned


def test_what_cannot_be_quantized_is_refused(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("quantize", DEMO, "--images", digits, "--to", tmp_path / "to") == 0
    capsys.readouterr()
    again = "quantize", tmp_path / "to", "--images", digits, "--to", tmp_path / "twice"
    assert run(*again) == 1
    assert capsys.readouterr().err == "Error: demo: is int8 already\n"
    one = tmp_path / "one"
    one.mkdir()
    (one / "0_0.png").write_bytes(held_out_digits()[0].data)
    assert run("quantize", DEMO, "--images", one, "--to", tmp_path / "few") == 1
    assert "one image is too few" in capsys.readouterr().err
    (one / "1_broken.png").write_bytes(b"no image")
    assert run("quantize", DEMO, "--images", one, "--to", tmp_path / "few") == 1
    assert "1_broken.png: " in capsys.readouterr().err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["one", "to"]


@pytest.mark.skipif(
    not (SHARED_MODELS and SHARED_IMAGES),
    reason="CLASSIFIER_TEST_MODELS and CLASSIFIER_TEST_IMAGES name no folders",
)
def test_a_real_network_on_real_photographs(tmp_path: Path) -> None:
    files = Path(SHARED_MODELS) / "squeezenet-1.1"
    assert run(
        "bundle", files / "squeezenet-1.1-symbol.json", files / "squeezenet-1.1-0000.params",
        files / "synset.txt", "--name", "squeezenet-1.1", "--size", 227, "--color", "BGR",
        "--mean", "104,117,123", "--to", tmp_path / "float32",
    ) == 0  # fmt: skip
    command = "quantize", tmp_path / "float32", "--images", SHARED_IMAGES
    assert run(*command, "--to", tmp_path / "int8") == 0
    note = json.loads((tmp_path / "int8/manifest.json").read_text())["quantization"]
    assert note["agreement"] >= 0.85
    assert note["int8"]["score"]["top5"] >= 0.85


def test_resnet_18_is_much_faster_where_the_processor_helps(tmp_path: Path) -> None:
    flags = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    if "avx512_vnni" not in flags:
        pytest.skip("the processor has no VNNI")
    from tools.model.digits import training_digits
    from tools.model.synthetic import synthetic

    folder = tmp_path / "images"
    folder.mkdir()
    for number, digit in enumerate(training_digits(np.random.default_rng(0))[:8]):
        (folder / f"{number}.jpg").write_bytes(digit.data)
    synthetic(seed=0).write(tmp_path / "float32")
    command = "quantize", tmp_path / "float32", "--images", folder, "--force"
    assert run(*command, "--to", tmp_path / "int8") == 0
    note = json.loads((tmp_path / "int8/manifest.json").read_text())["quantization"]
    # 2.5 to 4.5 on an idle machine; here others may be at work.
    assert note["speedup"] > 1.5


@pytest.mark.parametrize("command", ["quantize", "evaluate"])
def test_ctrl_c_ends_it_and_leaves_nothing(command: str, digits: Path, tmp_path: Path) -> None:
    """Also while MXNet calls back from C, where an interrupt would be printed and lost."""
    options = ["--to", tmp_path / "to", "--calibration", "entropy"] if command == "quantize" else []
    watched = tmp_path / "watched"
    watched.mkdir()
    for number, file in enumerate([*digits.iterdir()] * 100):
        (watched / f"{file.stem}_{number}.png").symlink_to(file)
    process = subprocess.Popen(
        [sys.executable, ROOT / "scripts/model.py", command, DEMO, "--images", watched, *options],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(6 if command == "quantize" else 3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.strip() == "Error: interrupted; nothing was written"
    assert [entry.name for entry in tmp_path.iterdir()] == ["watched"]


def test_an_int8_bundle_has_the_same_embedding(digits: Path, tmp_path: Path) -> None:
    """The outputs before the last layer stay float32, and nearly the same."""
    assert run("quantize", DEMO, "--images", digits, "--to", tmp_path / "to") == 0
    before, after = read_bundle(Folder(DEMO)), read_bundle(Folder(tmp_path / "to"))
    assert after.manifest.output.embedding == before.manifest.output.embedding
    assert after.manifest.description == "handwritten digits 0 to 9"
    image = find_images(digits, before.labels)[0].tensor(before.manifest.input)[np.newaxis]
    for name in ("embedding", "features"):
        old, new = (
            output(bundle, getattr(bundle.manifest.output, name), image)
            for bundle in (before, after)
        )
        assert old.shape == new.shape
        assert np.corrcoef(old.ravel(), new.ravel())[0, 1] > 0.95


def output(bundle: Bundle, name: str, image: np.ndarray) -> np.ndarray:
    """The output ``name`` of the network of ``bundle``."""
    symbol = mx.sym.load_json(bundle.symbol.decode()).get_internals()[name]
    arrays = mx.nd.load_frombuffer(bundle.params)
    named = {tuple(name.split(":", 1)): array for name, array in arrays.items()}
    named = convert(symbol, named, "data")
    module = bind(symbol, named, "data", image.shape)
    module.forward(Batch((Input(image),)), is_train=False)
    return module.get_outputs()[0].asnumpy()


def test_a_network_of_other_classes_needs_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("quantize", DEMO, "--to", tmp_path / "to") == 1
    message = capsys.readouterr().err
    assert "demo: its classes are not ImageNet's" in message
    assert "--images" in message


def test_crops_calibrate_a_network_of_imagenet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = checkpoints.state_dict(ResNet(widths=(4, 6, 8, 10)))
    labels = IMAGENET_LABELS.read_bytes()
    state_bundle(state, labels=labels, source="a test").write(tmp_path / "float32")
    assert run("quantize", tmp_path / "float32", "--to", tmp_path / "int8", "--force") == 0
    note = json.loads((tmp_path / "int8/manifest.json").read_text())["quantization"]
    assert note["images"] == "crops of scikit-learn's two photographs"
    assert note["calibration_images"] == 48
    assert "same first label" in capsys.readouterr().out


def test_int8_with_relu6_answers_a_single_image_alike_before_and_after_a_batch(
    tmp_path: Path,
) -> None:
    """The network is bound for a batch; that must not change what is bound for single images."""
    random = np.random.default_rng(0)
    x = mx.sym.Convolution(
        mx.sym.Variable("data"), kernel=(3, 3), num_filter=8, no_bias=True, name="conv"
    )
    x = mx.sym.clip(mx.sym.BatchNorm(x, fix_gamma=False, name="norm"), a_min=0, a_max=6)
    x = mx.sym.Flatten(mx.sym.Pooling(x, kernel=(1, 1), global_pool=True, pool_type="avg"))
    x = mx.sym.FullyConnected(x, num_hidden=10, name="last")
    arguments = {
        "conv_weight": random.normal(size=(8, 3, 3, 3)),
        "norm_gamma": np.full(8, 4),
        "norm_beta": np.full(8, 2),
        "last_weight": random.normal(size=(10, 8)),
        "last_bias": random.normal(size=10),
    }
    auxiliary = {"norm_moving_mean": np.zeros(8), "norm_moving_var": np.ones(8)}
    labels = "".join(f"label {number}\n" for number in range(10)).encode()
    float32 = NewBundle(
        name="relu6",
        preprocessing=Preprocessing(size=32, resize=32, scale=1 / 255),
        probabilities=False,
        source="a test",
        symbol=x.tojson().encode(),
        params=params_file(arguments, auxiliary),
        labels=labels,
    )
    float32.write(tmp_path)
    bundle = read_bundle(Folder(tmp_path))
    images = crops(8)
    int8 = quantize(bundle, labels, images, method="naive", advance=lambda: None).model()
    tensors = [image.tensor(float32.preprocessing) for image in images]
    singles = [int8.classify([tensor])[0] for tensor in tensors]
    batch = int8.classify(tensors)
    np.testing.assert_allclose(batch, float32.model().classify(tensors), atol=0.05)
    np.testing.assert_allclose(batch, singles, atol=1e-6)
    np.testing.assert_allclose([int8.classify([each])[0] for each in tensors], singles, atol=1e-6)
