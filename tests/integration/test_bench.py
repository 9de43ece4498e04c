"""The contenders that `make bench` measures: workers, their clocks, and start-ups."""

import base64
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import requests

from tools.bench import contenders, engines, images, measure, networks, profile, start
from tools.bench.contenders import Worker
from tools.bench.object_server import object_server
from tools.bench.worker import IMAGES, NETWORKS
from tools.local.s3 import LocalS3
from tools.project import ROOT

DEMO = ROOT / "models" / "demo"


@pytest.fixture
def variables(s3_server: LocalS3, s3: Any, tmp_path: Path) -> dict[str, str]:
    """A worker's environment, with the demo bundle; ``tmp_path`` has the images."""
    image = images.draw("100 KB")
    for name in IMAGES:
        (tmp_path / f"{name}.jpg").write_bytes(image)
        (tmp_path / f"{name}.b64").write_bytes(base64.b64encode(image))
    return s3_server.variables | {"MODEL_URI": s3_server.fill_from("bench", "demo", DEMO)}


def test_profile_has_each_step_of_each_request(variables: dict[str, str], tmp_path: Path) -> None:
    profiled = {"demo": ("profile", "ours")}
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
        pairs = list(zip(figures["ms"], figures["not_inference_ms"], strict=True))
        assert len(pairs) == 3
        assert all(0 < rest < whole for whole, rest in pairs)
        assert 50 < worker.peak_mb() < 1000
    finally:
        worker.stop()


@pytest.mark.parametrize("name", measure.PREPARATIONS)
def test_worker_times_preprocessing(variables: dict[str, str], tmp_path: Path, name: str) -> None:
    with contenders.workers({name: measure.PREPARATIONS[name]}, tmp_path, {}) as workers:
        assert len(workers[name].run("12 MP", 2)["ms"]) == 2


def test_worker_error_is_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(contenders.ToolError, match="no-such-engine"):
        Worker("engine", "no-such-engine float32", tmp_path, {})


def test_objects_are_served_whole_and_in_parts() -> None:
    with object_server({"/b/k": b"0123456789"}) as url:
        whole = requests.get(f"{url}/b/k", timeout=10)
        part = requests.get(f"{url}/b/k", headers={"range": "bytes=8-99"}, timeout=10)
    assert (whole.status_code, whole.content) == (200, b"0123456789")
    assert (part.status_code, part.content) == (206, b"89")
    assert part.headers["content-range"] == "bytes 8-9/10"


@pytest.mark.parametrize("network", NETWORKS)
def test_engines_run_the_same_network(tmp_path: Path, network: str) -> None:
    images_of = [tmp_path / f"{number}.jpg" for number in range(2)]
    for path, data in zip(images_of, images.calibration(2), strict=True):
        path.write_bytes(data)
    networks.write(network, tmp_path / "network", images_of)
    tensors = np.random.default_rng(0).standard_normal((2, 3, 224, 224), np.float32)
    ours, theirs = (
        engines.load(tmp_path / "network", kind, threads=1)(tensors)
        for kind in ("mxnet float32", "onnxruntime float32")
    )
    assert np.abs(ours - theirs).max() < 1e-5
    for kind in ("mxnet int8", "onnxruntime int8"):
        assert engines.load(tmp_path / "network", kind, threads=1)(tensors).shape == (2, 1000)


@pytest.mark.parametrize("kind", ["ours", "2017"])
def test_start_up_reaches_every_phase(variables: dict[str, str], tmp_path: Path, kind: str) -> None:
    figures = contenders.start(kind, tmp_path, variables, "phases")
    phases = [name for name, _ in figures["reached"]]
    assert phases == ["interpreter", *dict(start.PHASES[kind]), "first answer"]
    seconds = [reached for _, reached in figures["reached"]]
    assert seconds == sorted(seconds)
    assert figures["total"] == seconds[-1]
    # When the preload had read the bundle; the strategy of 2017 has no preload.
    assert (figures["bundle"] is None) == (kind == "2017")
