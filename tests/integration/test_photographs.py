"""A real network on real photographs, through the whole local stack.

Runs where CLASSIFIER_TEST_MODELS and CLASSIFIER_TEST_IMAGES name folders: see CONTRIBUTING.md.
"""

import base64
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import images
import pytest
import requests
from PIL import Image

from tools.local.process import run_local_stack
from tools.local.s3 import LocalS3

ROOT = Path(__file__).parents[2]
MODELS = Path(os.environ.get("CLASSIFIER_TEST_MODELS", "/nowhere"))
IMAGES = Path(os.environ.get("CLASSIFIER_TEST_IMAGES", "/nowhere"))
EXPECTED = IMAGES / "expected.csv"
ROWS = list(csv.DictReader(EXPECTED.read_text().splitlines())) if EXPECTED.is_file() else []

pytestmark = pytest.mark.skipif(
    not (ROWS and MODELS.is_dir()),
    reason="CLASSIFIER_TEST_MODELS and CLASSIFIER_TEST_IMAGES name no folders",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "squeezenet"
    files = MODELS / "squeezenet-1.1"
    prefix = str(files / "squeezenet-1.1")
    tool("bundle", f"{prefix}-symbol.json", f"{prefix}-0000.params", str(files / "synset.txt"),
         "--name", "squeezenet-1.1", "--size", "227", "--fit", "squash", "--color", "BGR",
         "--mean", "104,117,123", "--to", str(folder))  # fmt: skip
    return folder


def tool(*arguments: str) -> str:
    command = [sys.executable, str(ROOT / "scripts/model.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def predict(
    bundle: Path, s3_server: LocalS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    client = s3_server.client()
    client.create_bucket(Bucket="photographs", ACL="public-read")
    for row in ROWS:
        client.put_object(
            Bucket="photographs",
            Key=row["file"],
            Body=(IMAGES / row["file"]).read_bytes(),
            ACL="public-read",
        )
    settings = {"MODEL": str(bundle), "PRIVATE_URL_HOSTS": s3_server.url.removeprefix("http://")}
    with run_local_stack(tmp_path_factory.mktemp("log") / "run.log", **settings) as address:
        yield f"{address}/predict"


def post(predict: str, **options: Any) -> requests.Response:
    return requests.post(predict, timeout=60, **options)


WAYS: dict[str, Callable[[str, str, bytes], requests.Response]] = {
    "GET url": lambda predict, url, _: requests.get(
        f"{predict}?url={quote(url, safe='')}", timeout=60
    ),
    "POST url": lambda predict, url, _: post(predict, json={"url": url}),
    "POST base64": lambda predict, _, data: post(
        predict, json={"image": base64.b64encode(data).decode()}
    ),
    "POST bytes": lambda predict, _, data: post(
        predict, data=data, headers={"content-type": "image/jpeg"}
    ),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_every_way_gives_the_expected_label_and_the_same_answer(
    predict: str, s3_server: LocalS3, row: dict[str, str]
) -> None:
    url = f"{s3_server.url}/photographs/{row['file']}"
    data = (IMAGES / row["file"]).read_bytes()
    answers = []
    for way, ask in WAYS.items():
        response = ask(predict, url, data)
        assert response.status_code == 200, f"{way}: {response.text}"
        answers.append(response.json()["labels"])
    assert answers[0][0]["class"] == row["class"]
    assert answers[0][0]["probability"] == pytest.approx(float(row["probability"]), abs=0.03)
    assert all(answer == answers[0] for answer in answers)


def turned(data: bytes, kind: str, exif: bytes, **options: Any) -> bytes:
    """The JPEG ``data`` on its side, as ``kind``, with the ``exif`` that turns it upright."""
    with Image.open(io.BytesIO(data)) as image:
        side = image.transpose(Image.Transpose.ROTATE_90)
        return images.encode(side, kind, exif=exif, **options)


def on_transparent(data: bytes, hidden: tuple[int, int, int]) -> Image.Image:
    """The JPEG ``data`` in the middle of what nobody sees; on white it is a photograph framed."""
    with Image.open(io.BytesIO(data)) as image:
        canvas = Image.new("RGBA", (image.width + 40, image.height + 40), (*hidden, 0))
        canvas.paste(image, (20, 20))
        return canvas


def animated(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        other = images.plain((0, 0, 255), image.size)
        return images.encode(image, "WEBP", save_all=True, append_images=[other], quality=90)


def as_png(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return images.encode(image, "PNG")


def xmp_before_exif(data: bytes) -> bytes:
    turned_jpeg = turned(data, "JPEG", images.exif(6), quality=95)
    return images.with_segment(turned_jpeg, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>")


# What phones, cameras and converters make of a photograph; none of it changes what it shows.
AS_SENT: dict[str, Callable[[bytes], bytes]] = {
    "no end marker": lambda data: data[:-2],
    "no end marker, a maker's trailer": lambda data: data[:-2] + b"SEFH\xff\xe4\0\5abc\xff" + data,
    "stray bytes between segments": lambda data: data[:20] + b"\0stray" + data[20:],
    "on its side, XMP before EXIF": xmp_before_exif,
    "on its side, orientation as LONG, WebP": lambda data: turned(
        data, "WEBP", images.exif(6, kind="I"), quality=95
    ),
    "on its side, PNG": lambda data: turned(data, "PNG", images.exif(6)),
    "PNG without its end": lambda data: as_png(data)[:-12],
    "animated WebP": animated,
}


@pytest.mark.parametrize("make", AS_SENT.values(), ids=AS_SENT)
def test_photographs_as_they_are_sent_get_the_expected_label(
    predict: str, make: Callable[[bytes], bytes]
) -> None:
    row = ROWS[0]
    data = make((IMAGES / row["file"]).read_bytes())
    response = post(predict, data=data, headers={"content-type": "image/jpeg"})
    assert response.status_code == 200, response.text
    best = response.json()["labels"][0]
    assert best["class"] == row["class"]
    assert best["probability"] == pytest.approx(float(row["probability"]), abs=0.03)


def test_what_is_transparent_is_white_whatever_its_color(predict: str) -> None:
    data = (IMAGES / ROWS[0]["file"]).read_bytes()
    labels = [
        post(
            predict,
            data=images.encode(on_transparent(data, hidden), "PNG"),
            headers={"content-type": "image/png"},
        ).json()["labels"]
        for hidden in ((0, 0, 0), (255, 255, 255), (200, 0, 0))
    ]
    assert labels[0] == labels[1] == labels[2]
    assert labels[0][0]["class"] == ROWS[0]["class"]


def test_one_request_with_all_that_fit_answers_as_one_each_does(predict: str) -> None:
    rows = ROWS[:16]
    broken = base64.b64encode((IMAGES / ROWS[0]["file"]).read_bytes()[:5000]).decode()
    sent = [{"image": base64.b64encode((IMAGES / r["file"]).read_bytes()).decode()} for r in rows]
    sent[3] = {"image": broken}
    results = post(predict, json={"images": sent}).json()["results"]
    assert results.pop(3)["error"]["code"] == "undecodable-image"
    del rows[3]
    for row, result in zip(rows, results, strict=True):
        assert result["labels"][0]["class"] == row["class"]
        found = result["labels"][0]["probability"]
        assert found == pytest.approx(float(row["probability"]), abs=0.03)


def test_evaluate_counts_what_is_right(bundle: Path) -> None:
    report = json.loads(tool("evaluate", str(bundle), "--images", str(IMAGES), "--json"))
    right = sum(row["file"].startswith(row["class"]) for row in ROWS)
    in_five = sum(row["true_class_in_top5"] == "True" for row in ROWS)
    assert report == {
        "images": len(ROWS),
        "top1": pytest.approx(right / len(ROWS)),
        "top5": pytest.approx(in_five / len(ROWS)),
    }
