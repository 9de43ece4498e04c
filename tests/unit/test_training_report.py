"""The report's sentences, and its page for many classes."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tools.model.page import write_page
from tools.model.training.evaluation import evaluate
from tools.model.training.page import render_page
from tools.model.training.report import Int8, Report, Twins, and_list


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
