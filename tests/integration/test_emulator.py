"""The function in the runtime interface emulator, with the real runtime client."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import colors
import golden_events
import pytest


def test_every_golden_event_gets_its_response(
    emulator: Callable[..., Any], s3: Any, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    golden_events.fill(s3, colors.write_bundle(tmp_path), "colors")
    with golden_events.image_server() as address:
        settings = {"MODEL_URI": "s3://models/colors", "PRIVATE_URL_HOSTS": address}
        environment = emulator(variables=golden_events.SETTINGS | settings)
        for name in golden_events.NAMES:
            with subtests.test(name):
                event = json.dumps(golden_events.event(name, address)).encode()
                golden_events.check(name, json.loads(environment.invoke(event)))
    requests = [line for line in environment.log if '"message":"request"' in line]
    assert len(requests) == len(golden_events.NAMES)
    assert not [line for line in environment.log if not line.startswith("{")]


def test_missing_model_is_one_line_and_503(emulator: Callable[..., Any], s3: Any) -> None:
    s3.create_bucket(Bucket="models")
    environment = emulator(variables={"MODEL_URI": "s3://models/nothing"})
    event = json.dumps(golden_events.event("health", "127.0.0.1:1")).encode()
    assert json.loads(environment.invoke(event))["statusCode"] == 503
    failures = [line for line in environment.log if '"level":"CRITICAL"' in line]
    assert len(failures) == 1
    assert "s3://models/nothing/manifest.json" in failures[0]
