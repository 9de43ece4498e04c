"""`model.py measure` shows its table, and writes it into the documents where that was asked for."""

from pathlib import Path

import pytest

from tools.model import cli, measure, measurements
from tools.model.commands import measure_networks
from tools.model.measurements import Measurement

MEASUREMENT = Measurement(12.3, 4.5, 6.7, 8.9, 10_000_000, 100.0, 90.0, 0, None)
ROW = "| mobilenet-v2 | 71.9 | 90.29 | 10 | 12.3 |"


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with docs/models.md's section, empty; measuring takes no time."""
    (tmp_path / "models.md").write_text("<!-- networks -->\n<!-- /networks -->\n")
    monkeypatch.setattr(measure_networks, "_PAGE", tmp_path / "models.md")
    monkeypatch.setattr(measurements, "_FILE", tmp_path / "measurements.json")
    monkeypatch.setattr(measure, "measure", lambda *_: MEASUREMENT)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def test_measure_leaves_the_documents_alone(
    documents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (documents / "models.md").read_text()
    assert cli.main(["measure", "mobilenet-v2"]) == 0
    assert ROW in capsys.readouterr().out
    assert (documents / "models.md").read_text() == before
    assert not (documents / "measurements.json").exists()


def test_measure_writes_where_it_is_told_to(documents: Path) -> None:
    assert cli.main(["measure", "mobilenet-v2", "--write"]) == 0
    assert ROW in (documents / "models.md").read_text()
    assert "12.3" in (documents / "measurements.json").read_text()
