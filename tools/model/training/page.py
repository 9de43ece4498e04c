"""The report as one HTML page that holds everything it shows."""

import base64
import os
import tempfile
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

from classifier.image.preprocessing import Preprocessing
from tools.errors import ToolError
from tools.model.images import tensor
from tools.model.training.evaluation import Evaluation
from tools.model.training.maps import Maps, Pixels
from tools.model.training.report import Judgement, Report, and_list
from tools.model.training.table import percent

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_THUMBNAIL = Preprocessing(size=192, resize=192, fit="crop", color="BGR")
_QUALITY = 80
# Of each list: the page stays below a megabyte or two.
_IMAGES = 24
_SETS = 12
_MAX_TABLE = 16


def page_file(folder: Path) -> Path:
    """Where the page of the bundle in ``folder`` goes: beside it."""
    return folder.with_name(f"{folder.name}-report.html")


def render_page(report: Report, maps: Maps | None = None) -> str:
    """The page, which asks for nothing: style, charts and images are in it.

    maps: draws the evidence beside each mistake; None where the network has no maps.
    """
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"share": percent, "short": _short, "thumbnail": _thumbnail}

    def evidence(judgement: Judgement, label: str) -> str:
        pixels = maps.draw(judgement.path, label, _THUMBNAIL.size) if maps else None
        return "" if pixels is None else _data_uri(pixels)

    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        report=report,
        evidence=evidence,
        has_maps=maps is not None,
        evaluation=report.evaluation,
        title=and_list([each.name for each in report.evaluation.classes], most=5),
        remarks=report.remarks(),
        mistakes=report.mistakes[:_IMAGES],
        doubtful=report.doubtful[:_IMAGES],
        twins=report.twins[:_SETS],
        heat=_heat(report.evaluation),
        is_table=len(report.evaluation.classes) <= _MAX_TABLE,
        confusions=report.evaluation.confusions()[:20],
    )


def write_page(html: str, file: Path) -> Path:
    """Write the page, whole or not at all; an older one is replaced."""
    handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(html)
        path = Path(temporary)
        path.chmod(0o644)
        return path.replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _short(path: Path) -> str:
    """An image as the page names it: its class's folder and its file."""
    return f"{path.parent.name}/{path.name}"


def _thumbnail(path: Path) -> str:
    """The middle of an image as a data URI, JPEG; empty where it is gone."""
    try:
        pixels = tensor(path.read_bytes(), _THUMBNAIL, str(path)).transpose(1, 2, 0)
    except (OSError, ToolError):
        return ""
    return _data_uri(pixels.astype(np.uint8))


def _data_uri(pixels: Pixels) -> str:
    """``pixels``, (height, width, 3) BGR, as a JPEG."""
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    _, data = cv2.imencode(".jpg", pixels, options)
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"


def _heat(evaluation: Evaluation) -> list[list[dict[str, Any]]]:
    """The confusion's cells: the count, and its share of the row, per cent."""
    totals = np.maximum(evaluation.confusion.sum(axis=1), 1)
    return [
        [
            {"x": x, "count": int(count), "share": round(100 * count / total), "right": x == y}
            for x, count in enumerate(row)
        ]
        for y, (row, total) in enumerate(zip(evaluation.confusion, totals, strict=True))
    ]
