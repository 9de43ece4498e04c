"""The pages where no model can be loaded: they are served all the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from classifier.api import pages
from tools.local.environment import Environment

HEALTH = Path(__file__).parents[2] / "events" / "health.json"


@pytest.mark.parametrize("path", sorted(pages.PATHS))
def test_a_page_needs_no_model(emulator: Callable[..., Environment], path: str) -> None:
    environment = emulator(variables={"MODEL_URI": "s3://models/nowhere"})
    event: dict[str, Any] = json.loads(HEALTH.read_text())
    assert json.loads(environment.invoke(json.dumps(event).encode()))["statusCode"] == 503

    event |= {"path": path, "resource": path}
    response = json.loads(environment.invoke(json.dumps(event).encode()))
    page = pages.read(path)
    assert response["statusCode"] == 200
    assert response["body"] == page.body
    assert response["headers"]["content-type"] == page.content_type
    assert response["headers"].items() >= page.headers.items()
    assert response["headers"]["x-content-type-options"] == "nosniff"
