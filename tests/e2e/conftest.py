"""What the tests of the running service share.

images_at    an image server on this machine, ``host:port``; it serves ``golden_events.IMAGES``.
local_stack  the address of what `make run` runs, with the bundle of ``colors``; it may fetch from
             ``images_at`` and from nowhere else.
"""

from collections.abc import Iterator

import colors
import golden_events
import pytest

from tools.local.process import run_local_stack


@pytest.fixture(scope="session")
def images_at() -> Iterator[str]:
    with golden_events.image_server() as address:
        yield address


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory, images_at: str) -> Iterator[str]:
    folder = colors.write_bundle(tmp_path_factory.mktemp("bundle") / "colors")
    log = tmp_path_factory.mktemp("log") / "stack.log"
    settings = {
        "MODEL": str(folder),
        # Whatever address a test makes up, none but this machine's own is ever looked up or asked.
        "ALLOWED_URL_HOSTS": "127.0.0.1",
        "PRIVATE_URL_HOSTS": images_at,
        "S3_READ_BUCKETS": "images",
    }
    with run_local_stack(log, **settings) as address:
        yield address
