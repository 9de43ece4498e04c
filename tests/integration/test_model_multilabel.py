"""Networks of independent classes: made, recognised, judged, quantized and served."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx_models
import pytest
from onnx_models import node
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from classifier.model.bundle import Folder, read_bundle
from classifier.model.lean_mxnet import mx
from classifier.model.network import Model
from tools.model import cli as tool
from tools.model.base import Base
from tools.model.digits import Digit, held_out_digits, training_digits
from tools.model.files import open_folder
from tools.model.images import tensor

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "demo"
CHECKPOINT = Path(__file__).parent / "test_model_checkpoints" / "resnet-18.safetensors"
# What a digit may have, several at once or nothing: 1 is none of them.
PROPERTIES = {"even": {0, 2, 4, 6, 8}, "loop": {0, 6, 8, 9}, "above 4": {5, 6, 7, 8, 9}}
LABELS = list(PROPERTIES)


def properties(digits: list[Digit]) -> np.ndarray:
    """(digits, properties): what each digit has."""
    return np.array([[digit.value in PROPERTIES[name] for name in LABELS] for digit in digits])


def held_out() -> tuple[list[Digit], np.ndarray]:
    """Images and their truth, every tenth of it wrong: else the network would make no mistake."""
    digits = held_out_digits()[:120]
    has = properties(digits)
    has[::10] = ~has[::10]
    return digits, has


@pytest.fixture(scope="module")
def logits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's network with a last layer for the properties; its outputs are logits."""
    bundle = open_folder(DEMO)
    base = Base(bundle)
    digits = training_digits(np.random.default_rng(0))[:400]
    tensors = [tensor(digit.data, bundle.manifest.input, "a digit") for digit in digits]
    embeddings = np.concatenate([base.embed([each]) for each in tensors])
    fits = [LogisticRegression(C=10).fit(embeddings, row) for row in properties(digits).T]
    to = tmp_path_factory.mktemp("logits") / "bundle"
    base.with_last_layer(
        np.concatenate([fit.coef_ for fit in fits]).astype(np.float32),
        np.concatenate([fit.intercept_ for fit in fits]).astype(np.float32),
        name="properties",
        labels="".join(f"{name}\n" for name in LABELS).encode(),
        source="a test",
        activation="sigmoid",
    ).write(to)
    return to


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, and their truth beside them in truth.csv, some of them with no label."""
    folder = tmp_path_factory.mktemp("digits")
    with (folder / "truth.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "labels"])
        for number, (digit, has) in enumerate(zip(*held_out(), strict=True)):
            (folder / f"{number}.png").write_bytes(digit.data)
            writer.writerow([f"{number}.png", *(LABELS[index] for index in np.flatnonzero(has))])
    return folder


def run(*arguments: object) -> int:
    return tool.main([str(argument) for argument in arguments])


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run(*arguments) == 1
    output = capsys.readouterr()
    assert output.out == ""
    return output.err


def held_out_probabilities(bundle: Path) -> tuple[np.ndarray, np.ndarray]:
    """What the bundle gives for the images of ``digits``, and what they have."""
    digits, has = held_out()
    model = Model.load(open_folder(bundle))
    tensors = [tensor(digit.data, model.manifest.input, "a digit") for digit in digits]
    return model.classify(tensors), has


def test_mean_average_precision_is_what_scikit_learn_finds(
    logits: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "evaluate", logits, "--images", digits, "--truth", digits / "truth.csv"
    assert run(*command, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    probabilities, has = held_out_probabilities(logits)
    expected = average_precision_score(has, probabilities, average=None)
    assert result["images"] == 120
    assert result["absent"] == []
    np.testing.assert_allclose(list(result["average_precision"].values()), expected, atol=1e-6)
    assert result["mean_average_precision"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert 0.7 < result["mean_average_precision"] < 1
    (half,) = (each for each in result["min_probability"] if each["min_probability"] == 0.5)
    likely = probabilities >= 0.5
    assert half["precision"] == pytest.approx((likely & has).sum() / likely.sum())
    assert half["recall"] == pytest.approx((likely & has).sum() / has.sum())

    assert run(*command) == 0
    output = capsys.readouterr().out
    percent = f"{result['mean_average_precision']:.2%}"
    assert output.startswith(f"120 images: mean average precision {percent}, 3 of 3 classes\n")
    assert "min_probability" in output
    assert "top-1" not in output


def test_classes_that_no_image_has_are_named(
    logits: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("\ufefffile\n0.png,even\n0.png,above 4\n\n1.png,\n")
    assert run("evaluate", logits, "--images", digits, "--truth", truth) == 0
    output = capsys.readouterr().out
    assert output.startswith("2 images: mean average precision ")
    assert ", 2 of 3 classes\nno image has: loop\n" in output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0.png,even\n0.png,odd\n", "truth.csv: line 2: 'odd' is no label of the bundle"),
        ("none.png,even\n", "none.png: no such file"),
        ("file,labels\n", "no rows"),
        ("0.png\n1.png\n", "no image has a label"),
        ('"0.png,even\n', "no CSV in UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_truth_that_cannot_be_used_is_refused(
    content: str | None,
    message: str,
    logits: Path,
    digits: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    truth = tmp_path / "truth.csv"
    if content is not None:
        truth.write_text(content)
    assert message in refused(capsys, "evaluate", logits, "--images", digits, "--truth", truth)


def test_the_truth_goes_with_independent_classes(
    logits: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, "evaluate", logits, "--images", digits)
    assert "properties: an image may have several labels: name a CSV with --truth" in message
    truth = "--truth", digits / "truth.csv"
    assert "leave out --truth" in refused(capsys, "evaluate", DEMO, "--images", digits, *truth)


def files(folder: Path, ending: str) -> list[Path]:
    """The three files of the bundle in ``folder``, whose graph gets another ``ending``."""
    bundle = read_bundle(Folder(folder))
    symbol = mx.sym.load_json(bundle.symbol.decode())
    endings: dict[str, Any] = {
        "none": lambda: symbol,
        "sigmoid": lambda: mx.sym.sigmoid(symbol),
        "Activation": lambda: mx.sym.Activation(symbol, act_type="sigmoid"),
        "LogisticRegressionOutput": lambda: mx.sym.LogisticRegressionOutput(symbol, name="out"),
        "relu": lambda: mx.sym.Activation(symbol, act_type="relu"),
        "softmax": lambda: mx.sym.softmax(symbol),
    }
    path = folder.parent / f"{ending}-symbol.json"
    path.write_text(endings[ending]().tojson())
    keys = bundle.manifest.files
    return [path, folder / keys["params"].key, folder / keys["labels"].key]


INPUT = ["--size", "64", "--fit", "squash"]


@pytest.mark.parametrize(
    ("ending", "options", "output"),
    [
        ("none", [], {"probabilities": False}),
        ("none", ["--output", "sigmoid"], {"probabilities": False, "activation": "sigmoid"}),
        ("relu", [], {"probabilities": False}),
        ("softmax", [], {"probabilities": True}),
        ("sigmoid", [], {"probabilities": True, "activation": "sigmoid"}),
        ("Activation", [], {"probabilities": True, "activation": "sigmoid"}),
        ("Activation", ["--output", "probabilities"], {"probabilities": True}),
        ("LogisticRegressionOutput", [], {"probabilities": True, "activation": "sigmoid"}),
    ],
)
def test_bundle_recognises_a_sigmoid_at_the_end(
    ending: str,
    options: list[str],
    output: dict[str, Any],
    logits: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    three = files(logits, ending)
    command = "bundle", *three, "--name", "x", "--version", "7", *INPUT, *options
    assert run(*command, "--to", tmp_path / "to") == 0, capsys.readouterr().err
    manifest = json.loads((tmp_path / "to/manifest.json").read_text())
    layers = {name: manifest["output"].pop(name, "") for name in ("embedding", "features")}
    assert manifest["output"] == output
    assert all(layers.values()) == (ending != "relu")
    assert manifest["version"] == "7"
    if output.get("activation") != "sigmoid":
        return
    capsys.readouterr()
    assert run("inspect", tmp_path / "to") == 0
    assert "an image may have several" in " ".join(capsys.readouterr().out.split())


def test_a_sigmoid_after_a_softmax_is_refused(
    logits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "bundle", *files(logits, "softmax"), "--name", "x", *INPUT, "--output", "sigmoid"
    assert "ends in a softmax" in refused(capsys, *command, "--to", tmp_path / "to")


@pytest.mark.parametrize("ending", ["none", "Activation", "LogisticRegressionOutput"])
def test_int8_keeps_the_labels(
    ending: str, logits: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether the graph has the sigmoid or the function applies it."""
    float32, int8 = tmp_path / "float32", tmp_path / "int8"
    manifest = json.loads((logits / "manifest.json").read_text())
    preprocessing = manifest["input"]
    options = ["--size", preprocessing["size"], "--fit", preprocessing["fit"]]
    options += ["--scale", preprocessing["scale"], "--output", "sigmoid"]
    for name in ("mean", "std"):
        options += [f"--{name}", ",".join(map(str, preprocessing[name]))]
    if preprocessing["fit"] == "crop":
        options += ["--resize", preprocessing["resize"]]
    command = "bundle", *files(logits, ending), "--name", "x", *options, "--to", float32
    assert run(*command) == 0, capsys.readouterr().err
    before, has = held_out_probabilities(float32)
    np.testing.assert_allclose(before, held_out_probabilities(logits)[0], atol=1e-5)

    assert run("quantize", float32, "--images", digits, "--to", int8) == 0, capsys.readouterr().err
    output = capsys.readouterr().out
    assert "same labels of 0.5 or more" in " ".join(output.split())
    assert "top-1" not in output
    note = json.loads((int8 / "manifest.json").read_text())["quantization"]
    assert note["criterion"] == "same labels of 0.5 or more"
    assert "score" not in note["int8"]
    after, _ = held_out_probabilities(int8)
    assert not np.array_equal(before, after)
    assert np.abs(before - after).mean() < 0.02
    kept = ((before >= 0.5) == (after >= 0.5)).all(axis=1)
    assert kept.mean() > 0.9
    precision = [average_precision_score(has, each) for each in (before, after)]
    assert precision[1] > precision[0] - 0.02


@pytest.mark.parametrize(
    ("last", "output", "expected"),
    [
        ("Sigmoid", None, (True, "sigmoid")),
        (None, "sigmoid", (False, "sigmoid")),
        ("Softmax", None, (True, "softmax")),
        (None, None, (False, "softmax")),
        ("Sigmoid", "probabilities", (True, "softmax")),
    ],
)
def test_import_recognises_a_sigmoid_at_the_end(
    last: str | None,
    output: str | None,
    expected: tuple[bool, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And ONNX Runtime's answers are held to the same function."""
    constants = {"w": onnx_models.numbers(4, 3, 3, 3), "v": onnx_models.numbers(4, 3)}
    nodes = [
        node("Conv", "x", "w", to="c"),
        node("GlobalAveragePool", "c", to="p"),
        node("Flatten", "p", to="f"),
        node("MatMul", "f", "v", to="m" if last else "y"),
        *([node(last, "m")] if last else []),
    ]
    exported = onnx_models.model(*nodes, constants=constants, flatten=False)
    path = onnx_models.saved(exported, tmp_path / "network.onnx")
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\n")
    options = ["--output", output] if output else []
    command = "import", path, "--labels", labels, "--name", "mine", "--version", "2", *options
    assert run(*command, "--to", tmp_path / "to") == 0, capsys.readouterr().err
    manifest = read_bundle(Folder(tmp_path / "to")).manifest
    assert (manifest.output.probabilities, manifest.output.activation) == expected
    assert (manifest.name, manifest.version) == ("mine", "2")


def test_a_state_dict_has_the_name_version_and_activation_that_one_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"class {number}\n" for number in range(10)))
    command = "import", CHECKPOINT, "--labels", labels, "--to", tmp_path / "to"
    options = "--name", "tags", "--version", "2b", "--output"
    message = refused(capsys, *command, *options, "probabilities")
    assert "a state dict gives logits" in message
    assert "'a/b' is no version" in refused(capsys, *command, "--version", "a/b")
    assert run(*command, *options, "sigmoid") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'to'} holds tags, version 2b\n"
    bundle = read_bundle(Folder(tmp_path / "to"))
    assert bundle.manifest.files["symbol"].key == "tags-symbol.json"
    images = np.load(CHECKPOINT.with_name("resnet-18.npz"))["images"]
    probabilities = Model.load(bundle).classify(list(images))
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert np.abs(probabilities.sum(axis=1) - 1).min() > 0.1
