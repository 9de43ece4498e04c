"""`similar` as people call it: a folder of images, or a batch's results."""

import csv
import io
import json
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import model_tool
import numpy as np
import own_classes
import pytest

from tools.model import cli as tool

ROOT = Path(__file__).parents[2]
LITE0 = ROOT / "models" / "efficientnet-lite0"
OWN_CLASSES = os.environ.get("CLASSIFIER_TEST_OWN_CLASSES", "")

Run = Callable[..., str]


@pytest.fixture(scope="session")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose embedding is the image itself, small."""
    return own_classes.write_base(tmp_path_factory.mktemp("base") / "pixels")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images, and copies of two of them: a smaller one in JPEG, and the same file."""
    folder = own_classes.write_colors(tmp_path / "images", {"red": 5, "blue": 5})
    write_copy(folder / "red/001.png", folder / "copy.jpg")
    (folder / "twin.png").write_bytes((folder / "blue/002.png").read_bytes())
    return folder


def write_copy(file: Path, to: Path, scale: float = 0.6, quality: int = 60) -> None:
    pixels = cv2.imread(str(file))
    assert pixels is not None
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(to), small, [cv2.IMWRITE_JPEG_QUALITY, quality])


@pytest.fixture
def similar(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command, which succeeds: what is on standard output."""

    return partial(model_tool.output, capsys, "similar")


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> str:
        assert tool.main(["similar", *(str(each) for each in arguments)]) == 1
        output = capsys.readouterr()
        assert output.out == ""
        return output.err

    return run


def test_copies_are_near_duplicates(images: Path, pixels: Path, similar: Run) -> None:
    output = similar(images, "--model", pixels)
    assert output.startswith("12 images; 4 of them are near-duplicates, in 2 sets\n")
    words = output.split()
    assert "copy.jpg" in words
    assert "twin.png" in words


def test_names_are_shown_as_they_are(images: Path, pixels: Path, similar: Run) -> None:
    name = f"[red]{'long' * 30}.png"
    (images / "twin.png").rename(images / name)
    output = similar(images, "--model", pixels)
    assert name in "".join(output.split())


def test_json_lines_have_the_sets_and_the_neighbours(
    images: Path, pixels: Path, similar: Run
) -> None:
    output = similar(images, "--model", pixels, "--neighbours", 3, "--format", "jsonl")
    lines = {each["image"]: each for each in map(json.loads, output.splitlines())}
    assert len(lines) == 12
    twins = [name for name, each in lines.items() if each["set"] == lines["twin.png"]["set"]]
    assert sorted(twins) == ["blue/002.png", "twin.png"]
    assert lines["twin.png"]["neighbours"][0] == {"image": "blue/002.png", "similarity": 1.0}
    assert lines["red/000.png"]["set"] is None
    for each in lines.values():
        values = [neighbour["similarity"] for neighbour in each["neighbours"]]
        assert len(values) == 3
        assert values == sorted(values, reverse=True)
        assert each["image"] not in {neighbour["image"] for neighbour in each["neighbours"]}


def test_a_query_shows_its_neighbours_alone(images: Path, pixels: Path, similar: Run) -> None:
    options = "--model", pixels, "--query", "twin.png", "--query", images / "red/001.png"
    output = similar(images, *options, "--neighbours", 1, "--format", "csv")
    rows = list(csv.reader(io.StringIO(output)))
    assert rows[0] == ["image", "set", "neighbour", "similarity"]
    assert [(image, neighbour) for image, _, neighbour, _ in rows[1:]] == [
        ("twin.png", "blue/002.png"),
        ("red/001.png", "copy.jpg"),
    ]
    output = similar(images, *options)
    assert "near-duplicates" not in output
    assert "blue/002.png" in output.split()


def test_the_page_holds_everything_it_shows(
    images: Path, pixels: Path, tmp_path: Path, similar: Run
) -> None:
    page = tmp_path / "page.html"
    (images / "<b>&.png").write_bytes((images / "blue/002.png").read_bytes())
    output = similar(images, "--model", pixels, "--page", page)
    assert output.endswith(f"{page} is the page, to be opened in a browser\n")
    html = page.read_text()
    assert "5 of 13 images are in 2 sets" in html
    assert html.count('<img src="data:image/jpeg;base64,') == 5 + 8 * 6
    assert "&lt;b&gt;&amp;.png" in html
    assert "<b>&" not in html
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|<script", html)


def test_images_that_cannot_be_decoded_are_named(
    images: Path, pixels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (images / "broken.jpg").write_bytes(b"no image")
    (images / ".hidden.jpg").write_bytes(b"no image")
    assert tool.main(["similar", str(images), "--model", str(pixels), "--format", "csv"]) == 0
    assert "Left out: 1 (broken.jpg: " in capsys.readouterr().err


def test_results_of_a_batch(tmp_path: Path, similar: Run) -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(6, 16))
    vectors[5] = vectors[2] + 0.01
    folder = own_classes.write_colors(tmp_path / "images", {"red": 6})
    results = tmp_path / "results.jsonl"
    model = {"name": "net", "version": "1"}
    with results.open("w") as file:
        for number, vector in enumerate(vectors):
            key = f"red/{number:03}.png"
            line = {"bucket": None, "key": key, "model": model, "embedding": vector.tolist()}
            file.write(json.dumps(line) + "\n")
        line = {"bucket": None, "key": "x", "model": model, "error": {"code": "fetch-failed"}}
        file.write(json.dumps(line) + "\n")
    page = tmp_path / "page.html"
    output = similar(results, "--images", folder, "--page", page)
    assert output.startswith("6 images; 2 of them are near-duplicates, in 1 set\n")
    assert page.read_text().count("<img ") == 2 + 4 * 6
    similar(results, "--page", page)
    assert "<img " not in page.read_text()


def test_what_does_not_go_together_is_refused(
    images: Path, pixels: Path, tmp_path: Path, refused: Run
) -> None:
    results = tmp_path / "results.jsonl"
    results.touch()
    assert "--model goes with a folder" in refused(results, "--model", pixels)
    assert "--images goes with results" in refused(images, "--images", images)
    assert "no such folder or file" in refused(tmp_path / "none")
    assert "--query x: none of the images" in refused(images, "--model", pixels, "--query", "x")
    assert "--model none: no such folder, nor a network" in refused(images, "--model", "none")


@pytest.mark.skipif(
    not (OWN_CLASSES and LITE0.is_dir()),
    reason="CLASSIFIER_TEST_OWN_CLASSES names no folder, or models/ has no EfficientNet-Lite0",
)
def test_photographs(tmp_path: Path, similar: Run) -> None:
    """Planted copies are found and nothing else; what is nearest is mostly of the same class."""
    folder = tmp_path / "photographs"
    planted = {}
    for path in sorted(Path(OWN_CLASSES).rglob("*.jpg")):
        name = "-".join(path.parts[-3:])
        to = folder / name
        folder.mkdir(exist_ok=True)
        to.write_bytes(path.read_bytes())
        if path.stem.endswith("5"):
            planted[name] = f"copy-of-{name}"
            write_copy(path, folder / planted[name])
    output = similar(folder, "--model", LITE0, "--neighbours", 1, "--format", "jsonl")
    lines = {each["image"]: each for each in map(json.loads, output.splitlines())}
    assert len(planted) == 12
    members: dict[int, set[str]] = {}
    for name, each in lines.items():
        if each["set"]:
            members.setdefault(each["set"], set()).add(name)
    assert sorted(map(sorted, members.values())) == sorted(map(sorted, planted.items()))

    alone = [each for each in lines.values() if not each["set"]]
    is_same = [
        ("-ants-" in each["image"]) == ("-ants-" in each["neighbours"][0]["image"])
        for each in alone
    ]
    assert np.mean(is_same) > 0.88
