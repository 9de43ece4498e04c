"""The demo network keeps what its manifest promises, through the whole HTTP path."""

import base64
import json
from collections.abc import Iterator
from itertools import batched
from pathlib import Path

import pytest
import requests
from numpy.random import default_rng

from classifier.model.bundle import Folder, read_bundle
from classifier.model.network import Model
from tools.local.process import run_local_stack
from tools.model.digits import NAMES, held_out_digits, training_digits
from tools.model.evaluate import probabilities
from tools.model.images import find_images

DEMO = Path(__file__).parents[2] / "models" / "demo"
MOST_BYTES = 1_500_000


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_local_stack(tmp_path_factory.mktemp("log") / "log", MODEL=str(DEMO)) as address:
        yield address


def test_the_accuracy_in_the_manifest_is_that_of_the_service(api: str) -> None:
    promise = json.loads((DEMO / "manifest.json").read_text())["accuracy"]
    digits = held_out_digits()
    assert promise["held_out_digits"] == len(digits) == 360
    found = []
    for some in batched(digits, 16):
        images = [{"image": base64.b64encode(digit.data).decode()} for digit in some]
        answer = requests.post(f"{api}/predict", json={"images": images}, timeout=60)
        assert answer.status_code == 200, answer.text
        found += [result["labels"][0] for result in answer.json()["results"]]
    right = sum(
        label["class"] == str(digit.value) for label, digit in zip(found, digits, strict=True)
    )
    # One image on the fence may fall to the other side on another processor.
    assert right / len(digits) == pytest.approx(promise["top1"], abs=1.5 / len(digits))
    assert promise["top1"] > 0.98
    assert {label["label"] for label in found} == set(NAMES)


def test_it_is_small_and_carries_what_it_needs() -> None:
    assert sum(file.stat().st_size for file in DEMO.iterdir()) <= MOST_BYTES
    bundle = read_bundle(Folder(DEMO))
    assert [(label.identifier, label.name) for label in bundle.labels] == [
        (str(value), name) for value, name in enumerate(NAMES)
    ]


def test_it_reads_dark_ink_on_light_paper_too(tmp_path: Path) -> None:
    """Training varies its images, and the network knows them all: both ways around."""
    for number, digit in enumerate(training_digits(default_rng(1))):
        (tmp_path / f"{digit.value}_{number}.jpg").write_bytes(digit.data)
    model = Model.load(read_bundle(Folder(DEMO)))
    images = find_images(tmp_path, model.labels)
    best = probabilities(model, images, lambda: None).argmax(axis=1)
    right = [image.answer == answer for image, answer in zip(images, best, strict=True)]
    assert sum(right) / len(right) > 0.95


def test_nothing_held_out_is_trained_on() -> None:
    from tools.model.digits import _digits

    trained = {pixels.tobytes() for pixels, _ in _digits(held_out=False)}
    held_out = {pixels.tobytes() for pixels, _ in _digits(held_out=True)}
    assert len(_digits(held_out=False)) + len(_digits(held_out=True)) == 1797
    assert not trained & held_out
