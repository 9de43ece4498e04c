"""The report's sentences, and its page for many classes."""

import re
from dataclasses import replace
from pathlib import Path

import colors
import images
import numpy as np
import pytest

from classifier.model.bundle import Folder, read_bundle
from classifier.model.network import Model
from tools.model.page import write_page
from tools.model.training.evaluation import evaluate
from tools.model.training.maps import Maps
from tools.model.training.page import render_page
from tools.model.training.report import Int8, Judgement, Report, Twins, and_list


def report(classes: int, images: int = 200, right: float = 1.0) -> Report:
    random = np.random.default_rng(0)
    labels = np.arange(images) % classes
    answers = np.where(random.random(images) < right, labels, (labels + 1) % classes)
    probabilities = np.full((images, classes), 0.1 / (classes - 1), np.float32)
    probabilities[np.arange(images), answers] = 0.9
    names = [f"class {number}" for number in range(classes)]
    return Report(
        name="many",
        base="a network",
        base_source="a test",
        seed=0,
        kind="average",
        strength=1.0,
        temperature=1.0,
        held_out="20% of each class",
        evaluation=evaluate(names, labels, probabilities, labels),
        mistakes=(),
        doubtful=(),
        twins=(),
        alike=(),
        failures=(),
        others=(),
        int8=Int8(failure="a test"),
    )


def test_nothing_to_say_is_said_of_good_figures() -> None:
    assert report(4).remarks() == []


def test_few_images_are_told() -> None:
    (remark,) = report(4, images=20).remarks()
    assert remark == (
        "Only 20 images judge. With other ones the accuracy may be anything from 83.9% to 100.0%:"
        " more images make it a figure to rely on."
    )


def test_copies_on_both_sides_are_told_first() -> None:
    across = Twins((Path("a/1.jpg"), Path("b/2.jpg")), ("a", "b"), is_across=True)
    remarks = replace(report(4), twins=(across,)).remarks()
    assert [remark.partition(" ")[2][:30] for remark in remarks] == [
        "image that should judge is als",
        "image is in several classes at",
    ]


def test_many_classes_are_a_chart_and_a_list() -> None:
    html = render_page(report(30, right=0.9))
    assert "Confusion of 30 classes" in html
    assert "<td>class 1</td>" in html
    few = render_page(report(3, right=0.9))
    assert "Confusion of" not in few
    assert 'class="heat"' in few


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Maps:
    return Maps(Model.load(read_bundle(Folder(colors.write_bundle(tmp_path_factory.mktemp("m"))))))


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    """An image that is red on the left and blue on the right."""
    image = images.plain((60, 60, 220), (60, 60))
    image.paste((220, 40, 40), (0, 0, 30, 60))
    (tmp_path / "halves.png").write_bytes(images.encode(image, "PNG"))
    return tmp_path / "halves.png"


def test_a_map_is_yellow_where_the_evidence_is(maps: Maps, halves: Path) -> None:
    for label, high, low in (("red", 10, 54), ("blue", 54, 10)):
        pixels = maps.draw(halves, label, 64)
        assert pixels is not None
        assert pixels.shape == (64, 64, 3)
        # BGR: yellow has more red and green, and less blue, than the colour below it.
        assert pixels[32, high, 1] > 130 > pixels[32, low, 1]
    assert maps.draw(halves.with_name("gone.png"), "red", 64) is None


def test_each_mistake_has_maps_beside_it(maps: Maps, halves: Path) -> None:
    mistake = Judgement(halves, "blue", "red", 0.9)
    with_mistake = replace(report(3), mistakes=(mistake,), doubtful=(mistake,))
    html = render_page(with_mistake, maps)
    assert html.count("<figure>") == 2
    assert re.findall(r"evidence for <b>(\w+)</b>", html) == ["red", "blue"]
    assert "<figure>" not in render_page(with_mistake)
    gone = replace(mistake, path=halves.with_name("gone.png"))
    assert "<figure>" not in render_page(replace(report(3), mistakes=(gone,)), maps)


def test_a_page_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("an older one")
    assert write_page("a newer one", file) == file
    assert file.read_text() == "a newer one"
    assert list(tmp_path.iterdir()) == [file]
    assert file.stat().st_mode & 0o777 == 0o644


def test_names_are_listed_as_people_write_them() -> None:
    assert and_list(["a"]) == "a"
    assert and_list(["a", "b"]) == "a and b"
    assert and_list(["a", "b", "c"]) == "a, b and c"
    assert and_list(list("abcdef"), most=4) == "a, b, c and 3 more"
