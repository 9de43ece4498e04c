"""The built function and layers, asked as API Gateway asks them, the model in an S3 stand-in.

In the sandbox where LAMBDA_SANDBOX names it, with 1,024 MB; else in a process of its own.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import colors
import golden_events
import pytest
import sam_build

from tools.local.s3 import LocalS3
from tools.model.synthetic import synthetic


@pytest.fixture(scope="module")
def images_at() -> Iterator[str]:
    with golden_events.image_server() as address:
        yield address


@pytest.fixture(scope="module")
def variables(s3_server: LocalS3, images_at: str) -> Iterator[dict[str, str]]:
    """The function's environment, with its buckets made."""
    s3 = s3_server.client()
    for bucket in ("models", "images"):
        s3.create_bucket(Bucket=bucket)
    for name, data in golden_events.IMAGES.items():
        s3.put_object(Bucket="images", Key=name, Body=data)
    yield (
        golden_events.SETTINGS
        | s3_server.variables
        | {
            "PRIVATE_URL_HOSTS": images_at,
            "OMP_NUM_THREADS": "1",
        }
    )
    s3.close()


def upload(s3_server: LocalS3, folder: Path, prefix: str) -> dict[str, str]:
    s3 = s3_server.client()
    for path in folder.iterdir():
        s3.put_object(Bucket="models", Key=f"{prefix}/{path.name}", Body=path.read_bytes())
    s3.close()
    return {"MODEL_URI": f"s3://models/{prefix}"}


@pytest.fixture(scope="module")
def function(
    s3_server: LocalS3, variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sam_build.BuiltFunction]:
    """The function with the network of ``colors``."""
    folder = tmp_path_factory.mktemp("colors")
    model = upload(s3_server, colors.write_bundle(folder / "bundle"), "colors")
    with sam_build.running(variables | model, folder) as function:
        yield function


@pytest.mark.parametrize("name", golden_events.NAMES)
def test_golden_event_gets_its_response(
    function: sam_build.BuiltFunction, images_at: str, name: str
) -> None:
    golden_events.check(name, function.invoke(golden_events.event(name, images_at)))


def test_resnet_18_answers_every_golden_event_in_1024_mb(
    s3_server: LocalS3,
    variables: dict[str, str],
    images_at: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    synthetic(seed=0).write(tmp_path / "bundle")
    model = upload(s3_server, tmp_path / "bundle", "resnet-18")
    with sam_build.running(variables | model, tmp_path) as function:
        statuses = {
            name: function.invoke(golden_events.event(name, images_at))["statusCode"]
            for name in golden_events.NAMES
        }
    expected = {
        name: json.loads((golden_events.EVENTS / "answers" / f"{name}.json").read_text())[
            "statusCode"
        ]
        for name in golden_events.NAMES
    }
    assert statuses == expected
    if sam_build.SANDBOX:
        record_property("peak_mb", function.peak_mb)
        print(f"peak memory with ResNet-18: {function.peak_mb} MB")
        assert 100 < function.peak_mb < sam_build.MEMORY_MB
