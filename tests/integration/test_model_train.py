"""`train`, as people call it: the bundle, the report, the page, and what is refused."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import model_tool
import numpy as np
import own_classes
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from classifier.model.bundle import Folder, read_bundle
from classifier.model.network import Model
from tools.local.process import run_local_stack
from tools.model import cli as tool
from tools.model.training import features as training_features

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CLASSIFIER_TEST_BROWSER")
OWN_CLASSES = os.environ.get("CLASSIFIER_TEST_OWN_CLASSES", "")
MODELS = os.environ.get("CLASSIFIER_TEST_MODELS", "")

Run = Callable[..., str]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_classes.write_base(tmp_path_factory.mktemp("base") / "pixels")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def train(capsys: pytest.CaptureFixture[str], base: Path, tmp_path: Path) -> Run:
    """Trains into ``tmp_path/to``: what is said."""

    def run(folder: Path, *options: object) -> str:
        arguments = ["train", folder, "--base", base, "--to", tmp_path / "to", *options]
        return model_tool.output(capsys, *arguments)

    return run


@pytest.fixture
def refuses(capsys: pytest.CaptureFixture[str], base: Path, tmp_path: Path) -> Run:
    """Trains in vain: the one line that says why. Nothing is left behind."""

    def run(folder: Path, *options: object) -> str:
        before = sorted(tmp_path.iterdir())
        arguments = ["train", folder, "--base", base, "--to", tmp_path / "to", *options]
        error = model_tool.refusal(capsys, *arguments)
        left = [path for path in tmp_path.iterdir() if path.name != "cache"]
        assert sorted(left) == [path for path in before if path.name != "cache"]
        return error

    return run


def note(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())["training"]


def test_a_bundle_like_any_other(tmp_path: Path, train: Run, does: Run, s3: Any) -> None:
    folder = own_classes.write_colors(tmp_path / "colors", 20)
    output = train(folder, "--name", "paint")
    assert "100.0% of 12 images that were not trained with are right" in output
    manifest = read_bundle(Folder(tmp_path / "to")).manifest
    assert (manifest.name, manifest.description) == ("paint", "blue, green and red")
    assert (manifest.licence, manifest.output.embedding) == ("Apache-2.0", "flatten0_output")
    assert manifest.source.startswith("last layer trained on 48 images of one's own; the rest is")
    other = own_classes.write_colors(tmp_path / "other", 5, first_seed=500)
    assert "15 images: top-1 100.00%" in does("evaluate", tmp_path / "to", "--images", other)
    assert "knows" in does("inspect", tmp_path / "to")
    s3.create_bucket(Bucket="models")
    does("publish", tmp_path / "to", "s3://models/paint/1")
    assert "paint" in does("inspect", "s3://models/paint/1")
    if "makes it faster" in output:
        command = re.search(
            r"^scripts/model.py (quantize .+) makes it faster$", output, re.MULTILINE
        )[1]
        does(*command.split())
        assert read_bundle(Folder(tmp_path / "to-int8")).manifest.precision == "int8"


@pytest.fixture
def does(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run another command of the tool: what it says."""

    def run(*arguments: object) -> str:
        assert tool.main([str(each) for each in arguments]) == 0
        return capsys.readouterr().out

    return run


def test_handwritten_digits(tmp_path: Path, train: Run) -> None:
    train(own_classes.write_digits(tmp_path / "digits"))
    accuracy = note(tmp_path / "to")["accuracy"]
    assert accuracy["images"] >= 355
    assert accuracy["value"] >= 0.95


def test_the_same_seed_gives_the_same_bundle(tmp_path: Path, train: Run) -> None:
    folder = own_classes.write_colors(tmp_path / "colors", 12)
    outputs = []
    for seed in (0, 0, 1):
        train(folder, "--seed", seed)
        params = (tmp_path / "to" / "to-0000.params").read_bytes()
        outputs.append((params, note(tmp_path / "to")))
        shutil.rmtree(tmp_path / "to")
    assert outputs[0] == outputs[1]
    assert outputs[0][0] != outputs[2][0]


def test_planted_duplicates_and_wrong_labels_are_found(tmp_path: Path, train: Run) -> None:
    folder = own_classes.write_colors(tmp_path / "colors", 30)
    wrong = ["red/007.png", "blue/011.png", "green/003.png"]
    for name, color in zip(wrong, ["green", "red", "blue"], strict=True):
        pixels = own_classes.pattern(own_classes.COLORS[color], 9000 + len(name))
        cv2.imwrite(str(folder / name), pixels)
    shutil.copy(folder / "red" / "001.png", folder / "red" / "same.png")
    small = cv2.resize(cv2.imread(str(folder / "blue" / "002.png")), (48, 36), 0, 0, 0, 3)
    cv2.imwrite(str(folder / "blue" / "nearly.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 70])
    output = train(folder)
    doubts = output.partition("Labels in doubt:")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"(\w+/\w+\.png) is called", doubts)) == sorted(wrong)
    twins = output.partition("The same image, or nearly so:")[2].partition("\n\n")[0]
    assert re.findall(r"\w+\.\w+", twins.replace(str(tmp_path), "")) == [
        *("002.png", "nearly.jpg"),
        *("001.png", "same.png"),
    ]
    assert "2 images are the same as another one" in " ".join(output.split())
    result = note(tmp_path / "to")
    assert (result["duplicates"], result["duplicates_across"]) == (2, 0)
    assert result["doubtful_labels"] == 3


def test_images_that_train_and_judge_are_told_and_left_out(tmp_path: Path, train: Run) -> None:
    folder = own_classes.write_colors(tmp_path / "colors", 10)
    validation = own_classes.write_colors(tmp_path / "validation", 5, first_seed=500)
    shutil.copy(folder / "red" / "001.png", validation / "red" / "copy.png")
    output = " ".join(train(folder, "--validation", validation).split())
    assert "1 image that should judge is also among those that train" in output
    result = note(tmp_path / "to")
    assert result["accuracy"]["images"] == 15
    assert (result["duplicates_across"], result["trained_images"]) == (1, 30)


def test_the_same_folder_cannot_judge_itself(tmp_path: Path, refuses: Run) -> None:
    folder = own_classes.write_colors(tmp_path / "colors", 6)
    line = refuses(folder, "--validation", folder)
    assert "no image is left to judge by" in line


def test_broken_images_are_listed_and_left_out(tmp_path: Path, train: Run) -> None:
    folder = own_classes.write_colors(tmp_path / "colors", 10)
    (folder / "red" / "broken.jpg").write_bytes(b"no image")
    (folder / "red" / "notes.txt").write_text("no image either")
    output = train(folder)
    assert "1 image could not be decoded and was left out" in " ".join(output.split())
    assert f"{folder}/red/broken.jpg: " in output
    assert "broken.jpg" in (tmp_path / "to-report.html").read_text()
    assert "1 file is not called .jpg, .png or .webp" in " ".join(output.split())
    assert note(tmp_path / "to")["not_decoded"] == 1


def test_a_class_of_broken_images_is_refused(tmp_path: Path, refuses: Run) -> None:
    folder = own_classes.write_colors(tmp_path / "colors", {"red": 10, "blue": 5})
    (folder / "blue" / "000.png").write_bytes(b"no image")
    assert "a class needs 5 images that can be decoded, and 'blue' has 4" in refuses(folder)


def test_imbalance_is_told_and_handled(tmp_path: Path, train: Run) -> None:
    folder = own_classes.write_colors(tmp_path / "colors", {"red": 100, "blue": 10})
    output = " ".join(train(folder).split())
    assert "red has 80 images to train with and blue has 8" in output
    assert note(tmp_path / "to")["classes"]["blue"]["recall"]["value"] == 1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--base", "nothing"], "--base nothing: no such folder, nor a network of the catalogue"),
        (["--name", "no name"], "'no name' is no name"),
        (["--validation", "x", "--validation-share", "0.3"], "goes without --validation"),
        (["--validation", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_wrong_options_are_refused(
    tmp_path: Path, refuses: Run, options: list[str], line: str
) -> None:
    assert line in refuses(own_classes.write_colors(tmp_path / "colors", 5), *options)


def test_a_base_without_an_embedding_is_refused(tmp_path: Path, refuses: Run) -> None:
    import colors

    other = colors.write_bundle(tmp_path / "base", output={"probabilities": False})
    folder = own_classes.write_colors(tmp_path / "colors", 5)
    assert "names no embedding" in refuses(folder, "--base", other)


def test_an_existing_bundle_is_never_changed(tmp_path: Path, refuses: Run) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "file").touch()
    assert "is not empty" in refuses(own_classes.write_colors(tmp_path / "colors", 5))


def test_a_second_run_decodes_nothing(
    tmp_path: Path, train: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_classes.write_colors(tmp_path / "colors", 8)
    train(folder)
    first = note(tmp_path / "to")
    shutil.rmtree(tmp_path / "to")
    monkeypatch.setattr(training_features, "tensor", lambda *_: pytest.fail("an image was decoded"))
    train(folder)
    assert note(tmp_path / "to") == first


def test_ctrl_c_leaves_nothing_but_features(tmp_path: Path, base: Path) -> None:
    folder = own_classes.write_digits(tmp_path / "digits")
    command = [sys.executable, ROOT / "scripts" / "model.py", "train", folder]
    process = subprocess.Popen(
        [*command, "--base", base, "--to", tmp_path / "to"], stderr=subprocess.PIPE, text=True
    )
    file = tmp_path / "cache" / "lambda-mxnet-classifier" / "features.sqlite"
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Error: interrupted; nothing was written"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "digits"]
    assert file.stat().st_size > 10_000


@pytest.fixture(scope="module")
def wrong_and_right(tmp_path_factory: pytest.TempPathFactory, base: Path) -> tuple[Path, Path]:
    """A bundle whose network errs, its validation folder and a page with everything on it."""
    tmp_path = tmp_path_factory.mktemp("page")
    folder = own_classes.write_colors(tmp_path / "colors", {"red": 60, "blue": 12, "green": 20})
    (folder / "red").rename(folder / "<b>red & white")
    red = folder / "<b>red & white"
    validation = own_classes.write_colors(tmp_path / "validation", 9, first_seed=700)
    (validation / "red").rename(validation / red.name)
    for number in range(3):
        shutil.move(
            validation / "blue" / f"{number:03}.png", validation / red.name / f"b{number}.png"
        )
    shutil.copy(red / "001.png", validation / red.name / "copy.png")
    shutil.copy(red / "002.png", folder / "blue" / "copy.png")
    (red / "broken.jpg").write_bytes(b"no image")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        arguments = ["train", folder, "--base", base, "--to", tmp_path / "to"]
        arguments += ["--validation", validation]
        assert tool.main([str(each) for each in arguments]) == 0
    return tmp_path / "to", validation


def test_the_endpoint_answers_as_the_report_says(
    wrong_and_right: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, validation = wrong_and_right
    classes = [label.name for label in read_bundle(Folder(folder)).labels]
    confusion = np.zeros((3, 3), int)
    with run_local_stack(tmp_path / "log", MODEL=str(folder)) as api:
        health = requests.get(f"{api}/health", timeout=30).json()
        assert health["model"]["description"] == "<b>red & white, blue and green"
        for path in sorted(validation.glob("*/*.png")):
            if path.name == "copy.png":
                continue
            image = {"image": base64.b64encode(path.read_bytes()).decode()}
            answer = requests.post(f"{api}/predict", json=image, timeout=60).json()
            best = classes.index(answer["labels"][0]["label"])
            confusion[classes.index(path.parent.name), best] += 1
    assert confusion.tolist() == note(folder)["confusion"]
    assert confusion.sum() == 27


def test_the_page_escapes_names_and_refers_to_nothing(wrong_and_right: tuple[Path, Path]) -> None:
    html = wrong_and_right[0].with_name("to-report.html").read_text()
    assert "<b>red & white" not in html
    assert "&lt;b&gt;red &amp; white" in html
    references = re.findall(r"""(?:src|href|url|action)\s*[=(]\s*["']?([^"'\s>)]*)""", html)
    assert references
    assert [each for each in references if not each.startswith("data:")] == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.mark.skipif(not CHROMIUM, reason="CLASSIFIER_TEST_BROWSER names no browser")
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(
    wrong_and_right: tuple[Path, Path], browser: Browser, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    requested: list[str] = []
    messages: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    url = wrong_and_right[0].with_name("to-report.html").as_uri()
    page.goto(url)
    for heading in ("Class by class", "The most confident mistakes", "The same image twice"):
        assert page.get_by_role("heading", name=heading).is_visible()
    broken = "[...document.images].filter(each => !each.naturalWidth).length"
    assert page.evaluate(broken) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []
    assert [each for each in requested if each != url and not each.startswith("data:")] == []
    assert messages == []
    context.close()


def squeezenet(folder: Path) -> Path:
    """SqueezeNet 1.1 as a base, in ``folder``: its last feature map, averaged, is the embedding."""
    from classifier.image.preprocessing import Preprocessing
    from classifier.model.labels import IMAGENET_LABELS
    from classifier.model.lean_mxnet import mx
    from tools.model.mxnet_files import save_arrays
    from tools.model.new_bundle import NewBundle

    files = Path(MODELS) / "squeezenet-1.1"
    whole = mx.sym.load(str(files / "squeezenet-1.1-symbol.json"))
    x = whole.get_internals()["fire9_concat_output"]
    x = mx.sym.Pooling(x, kernel=(1, 1), global_pool=True, pool_type="avg", name="pool")
    embedding = mx.sym.Flatten(x, name="flatten0")
    symbol = mx.sym.FullyConnected(embedding, num_hidden=1000, name="dense0")
    arrays = mx.nd.load(str(files / "squeezenet-1.1-0000.params"))
    arrays = {name: each for name, each in arrays.items() if "conv10" not in name}
    arrays |= {"arg:dense0_weight": mx.nd.zeros((1000, 512)), "arg:dense0_bias": mx.nd.zeros(1000)}
    NewBundle(
        name="squeezenet-1.1",
        preprocessing=Preprocessing(size=227, resize=227, color="BGR", mean=(104.0, 117.0, 123.0)),
        probabilities=False,
        source="a test",
        symbol=symbol.tojson().encode(),
        params=save_arrays(arrays),
        labels=IMAGENET_LABELS.read_bytes(),
        embedding="flatten0_output",
        features="fire9_concat_output",
    ).write(folder)
    return folder


def lite0(_folder: Path) -> Path:
    """EfficientNet-Lite0, where somebody fetched it."""
    folder = ROOT / "models" / "efficientnet-lite0"
    if not folder.is_dir():
        pytest.skip("models/efficientnet-lite0 is missing: scripts/model.py fetch fetches it")
    return folder


# Measured: 90 % and 98 %.
@pytest.mark.skipif(
    not (OWN_CLASSES and MODELS),
    reason="CLASSIFIER_TEST_OWN_CLASSES and CLASSIFIER_TEST_MODELS name no folders",
)
@pytest.mark.parametrize(("make_base", "minimum"), [(squeezenet, 0.86), (lite0, 0.94)])
def test_ants_and_bees(
    tmp_path: Path, train: Run, make_base: Callable[[Path], Path], minimum: float
) -> None:
    base = make_base(tmp_path / "base")
    folder = Path(OWN_CLASSES)
    train(folder / "train", "--validation", folder / "val", "--base", base)
    result = note(tmp_path / "to")
    assert (result["trained_images"], result["accuracy"]["images"]) == (80, 50)
    assert result["accuracy"]["value"] >= minimum
    model = Model.load(read_bundle(Folder(tmp_path / "to")))
    assert [label.name for label in model.labels] == ["ants", "bees"]
