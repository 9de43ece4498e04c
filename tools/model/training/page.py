"""The report as one HTML page that holds everything it shows."""

from pathlib import Path
from typing import Any

import numpy as np

from tools.model.page import SIDE, data_uri, template
from tools.model.training.evaluation import Evaluation
from tools.model.training.maps import Maps
from tools.model.training.report import Judgement, Report, and_list
from tools.model.training.table import percent

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
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

    def evidence(judgement: Judgement, label: str) -> str:
        pixels = maps.draw(judgement.path, label, SIDE) if maps else None
        return "" if pixels is None else data_uri(pixels)

    return template(_TEMPLATE, share=percent, short=_short).render(
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


def _short(path: Path) -> str:
    """An image as the page names it: its class's folder and its file."""
    return f"{path.parent.name}/{path.name}"


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
