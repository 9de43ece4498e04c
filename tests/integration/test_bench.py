"""The contenders that `make bench` measures: workers, their clocks, and start-ups."""

import base64
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tools.bench import contenders, images, measure, profile, start
from tools.bench.contenders import Worker
from tools.local.s3 import LocalS3
from tools.project import ROOT

DEMO = ROOT / "models" / "demo"


@pytest.fixture
def variables(s3_server: LocalS3, s3: Any, tmp_path: Path) -> dict[str, str]:
    """A worker's environment, with the demo bundle; ``tmp_path`` has the images."""
    for name in ("100 KB", "12 MP"):
        (tmp_path / f"{name}.jpg").write_bytes(images.small())
        (tmp_path / f"{name}.b64").write_bytes(base64.b64encode(images.small()))
    return s3_server.variables | {"MODEL_URI": s3_server.fill_from("bench", "demo", DEMO)}


def test_profile_has_each_step_of_each_request(variables: dict[str, str], tmp_path: Path) -> None:
    profiled = {"demo": measure.PROFILES["float32"]}
    with contenders.workers(profiled, tmp_path, {"demo": variables}) as workers:
        whole = workers["demo"].run("100 KB", 5)["ms"]
        steps = workers["demo"].steps()
    assert list(steps) == list(profile.STEPS)
    assert {step: len(ms) for step, ms in steps.items()} == dict.fromkeys(steps, 5)
    assert all(ms > 0 for each in steps.values() for ms in each)
    assert sum(median(each) for each in steps.values()) < median(whole) * 1.5


def test_worker_reports_times_shares_and_memory(variables: dict[str, str], tmp_path: Path) -> None:
    worker = Worker("request", "ours", tmp_path, variables)
    try:
        figures = worker.run("100 KB", 3)
        assert len(figures["ms"]) == len(figures["not_inference"]) == 3
        assert all(0 < share < 1 for share in figures["not_inference"])
        assert 50 < worker.peak_mb() < 1000
    finally:
        worker.stop()


@pytest.mark.parametrize("name", measure.PREPARATIONS)
def test_worker_times_preprocessing(variables: dict[str, str], tmp_path: Path, name: str) -> None:
    with contenders.workers({name: measure.PREPARATIONS[name]}, tmp_path, {}) as workers:
        assert len(workers[name].run("12 MP", 2)["ms"]) == 2


def test_worker_error_is_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(contenders.ToolError, match="no-such-kind"):
        Worker("engine", "no-such-kind", tmp_path, {})


@pytest.mark.parametrize("kind", start.PHASES)
def test_start_up_reaches_every_phase(variables: dict[str, str], tmp_path: Path, kind: str) -> None:
    figures = contenders.start(kind, tmp_path, variables, "phases")
    phases = [name for name, _ in figures["reached"]]
    assert phases == ["interpreter", *dict(start.PHASES[kind]), "first answer"]
    seconds = [reached for _, reached in figures["reached"]]
    assert seconds == sorted(seconds)
    assert figures["total"] == seconds[-1]
    # When the preload had read the bundle; the strategy of 2017 has no preload.
    assert (figures["bundle"] is None) == (kind == "2017")
