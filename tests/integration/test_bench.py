"""The contenders that `make bench` measures: workers, their clocks, and start-ups."""

import base64
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from tools.bench import (
    contenders,
    engines,
    images,
    measure,
    networks,
    part_vcpu,
    profile,
    start,
)
from tools.bench.contenders import Worker
from tools.bench.object_server import object_server
from tools.bench.share import can_share
from tools.bench.worker import BATCH_ITEMS, BUCKET, IMAGES, NETWORKS
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
        worker.wait()
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
    kinds = {"none": ("engine", "no-such-engine float32")}
    with (
        pytest.raises(contenders.ToolError, match="no-such-engine"),
        contenders.workers(kinds, tmp_path, {}),
    ):
        pass


@pytest.mark.parametrize("kind", ["ours", "2017"])
def test_contender_leaves_no_files(variables: dict[str, str], tmp_path: Path, kind: str) -> None:
    before = set(tmp_path.iterdir())
    worker = Worker("request", kind, tmp_path, variables)
    try:
        worker.wait()
        written = list(tmp_path.glob("contender-*/*"))
        assert [path.name.startswith("strategy-2017-") for path in written] == (
            [True] if kind == "2017" else []
        )
    finally:
        worker.stop()
    contenders.start(kind, tmp_path, variables)
    with pytest.raises(contenders.ToolError):
        Worker("engine", "no-such-engine float32", tmp_path, {}).wait()
    assert set(tmp_path.iterdir()) == before


SITE = "import sys, numpy; print(sys.flags.no_site, 'tools.mxnet_import' in sys.modules)"


def test_contenders_start_without_what_the_environment_adds_to_python() -> None:
    def run(*python: str) -> str:
        env = contenders.environment("ours", {}, python)
        process = subprocess.run([*python, "-c", SITE], env=env, capture_output=True, check=True)
        return process.stdout.decode().strip()

    assert run(*contenders.PYTHON) == "1 False"
    # Another Python has its packages where its own site module looks.
    assert run(sys.executable) == "0 True"


def test_worker_runs_another_python_as_it_is(variables: dict[str, str], tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$PYTHONPATH" "$@" >&2\necho "$@" >{tmp_path}/arguments\n')
    python.chmod(0o755)
    with pytest.raises(contenders.ToolError) as error:
        Worker("prepare", "reduced", tmp_path, variables, str(python)).wait()
    assert (tmp_path / "arguments").read_text().startswith("-m tools.bench.worker prepare")
    assert "site-packages" not in error.value.message


def test_function_is_measured_at_each_small_size(
    variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_share():
        return
    monkeypatch.setattr(part_vcpu, "SIZES_MB", (512,))
    monkeypatch.setattr(part_vcpu, "OURS", ["ours int8"])
    steps: list[str] = []
    figures = part_vcpu.measure(tmp_path, {"ours int8": variables}, 2, steps.append)
    each = figures["512"]["ours int8"]
    assert len(steps) == 4
    assert each["start_s"]["count"] == 2
    assert {image: samples["count"] for image, samples in each["request_ms"].items()} == {
        "234 KB": 10,
        "100 KB": 10,
    }
    assert 50 < each["peak_mb"] < 512


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


def test_batch_has_the_steps_of_each_image(variables: dict[str, str], tmp_path: Path) -> None:
    image = (tmp_path / "100 KB.jpg").read_bytes()
    objects = {f"/{BUCKET}/{number}.jpg": image for number in range(BATCH_ITEMS)}
    objects |= {f"/{BUCKET}/demo/{file.name}": file.read_bytes() for file in DEMO.iterdir()}
    with object_server(objects) as url:
        s3 = {"AWS_ENDPOINT_URL_S3": url, "S3_READ_BUCKETS": BUCKET}
        environment = variables | s3 | {"MODEL_URI": f"s3://{BUCKET}/demo"}
        batch = {"demo": ("batch", "ours")}
        with contenders.workers(batch, tmp_path, {"demo": environment}) as workers:
            (whole,) = workers["demo"].run("batch", 1)["ms"]
            steps = workers["demo"].steps()
    assert len(steps["decoding"]) == BATCH_ITEMS
    assert 0 < sum(map(sum, steps.values())) < whole
