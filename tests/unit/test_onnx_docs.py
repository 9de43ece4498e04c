"""docs/onnx.md lists the operators that are imported, all of them and no others."""

import re

from tools.model.onnx.operators.table import OPERATORS
from tools.project import ROOT

# What the importer itself puts nodes together to, and ONNX Runtime's own names.
INTERNAL = {"Affine", "Linear", "com.microsoft.Gelu", "com.microsoft.QuickGelu"}


def test_operators_are_documented() -> None:
    page = (ROOT / "docs" / "onnx.md").read_text()
    _, table, _ = re.split(r"<!-- /?operators.*-->", page)
    assert set(re.findall(r"`(\w+)`", table)) == set(OPERATORS) - INTERNAL
