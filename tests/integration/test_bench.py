"""What `make bench` measures with: a worker, its clocks, and what is told of them."""

import base64
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tools.bench import contenders, images, measure, profile, report
from tools.bench.contenders import Sample, Worker
from tools.local.s3 import LocalS3

DEMO = Path(__file__).parents[2] / "models" / "demo"


@pytest.fixture
def variables(s3_server: LocalS3, s3: Any, tmp_path: Path) -> dict[str, str]:
    """A worker's, with the demo bundle; the images are in ``tmp_path``."""
    s3.create_bucket(Bucket="bench")
    for file in DEMO.iterdir():
        s3.put_object(Bucket="bench", Key=f"demo/{file.name}", Body=file.read_bytes())
    for name in ("100 KB", "12 MP"):
        (tmp_path / f"{name}.b64").write_bytes(base64.b64encode(images.small()))
    return s3_server.variables | {"MODEL_URI": "s3://bench/demo"}


def test_a_profile_tells_of_each_step_of_each_request(
    variables: dict[str, str], tmp_path: Path
) -> None:
    profiled = {"demo": measure.PROFILES["float32"]}
    with contenders.workers(profiled, tmp_path, {"demo": variables}) as workers:
        whole = workers["demo"].run("100 KB", 5)["ms"]
        steps = workers["demo"].steps()
    assert list(steps) == list(profile.STEPS)
    assert {step: len(ms) for step, ms in steps.items()} == dict.fromkeys(steps, 5)
    assert all(ms > 0 for each in steps.values() for ms in each)
    assert sum(median(each) for each in steps.values()) < median(whole) * 1.5


def test_a_worker_tells_its_times_its_share_and_its_memory(
    variables: dict[str, str], tmp_path: Path
) -> None:
    worker = Worker("request", "ours", tmp_path, variables)
    try:
        seen = worker.run("100 KB", 3)
        assert len(seen["ms"]) == len(seen["not_inference"]) == 3
        assert all(0 < share < 1 for share in seen["not_inference"])
        assert 50 < worker.peak_mb() < 1000
    finally:
        worker.stop()


def test_a_table_of_samples_compares_with_the_first() -> None:
    told = report.sampled("who", {"ours": Sample([[1.0, 2.0, 3.0]]), "theirs": Sample([[4.0] * 3])})
    assert told.splitlines()[2:] == [
        "| ours | 2 | 1 to 3 | 3 | 1.00 |",
        "| theirs | 4 | 4 to 4 | 3 | 2.00 |",
    ]
