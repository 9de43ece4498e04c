"""The life of a Lambda execution environment: start, retry, snapshot, restore."""

import gc
import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from classifier.config import Settings
from classifier.errors import ModelUnavailable, StartupError
from classifier.model.lean_numpy import import_numpy
from classifier.runtime import snapshot, telemetry
from classifier.runtime.malloc import configure_malloc
from classifier.runtime.preload import Preload
from classifier.s3.client import make_client

if TYPE_CHECKING:
    from classifier.service import Service

RETRY_AFTER_S = 10.0

logger = logging.getLogger(__name__)


class Environment:
    """Starts the service, and keeps it.

    A failed start is one line in the log, and 503 to callers. The next request after RETRY_AFTER_S
    tries again, so an environment heals when S3 does. Where Lambda keeps what has started, a failed
    start ends the environment instead: Lambda would keep a function without its network.

    Args:
        variables: The process's environment, such as ``os.environ``.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._service: Service | None = None
        self._retry_at = 0.0
        self._is_cold = True

    def start(self) -> None:
        """Start the service now, and before each snapshot.

        Raises:
            StartupError: it fails where Lambda keeps what has started.
        """
        snapshot.register(before=self._before_snapshot, after=self._after_restore)
        try:
            self.service()
        except ModelUnavailable as error:
            if snapshot.is_kept(self._variables):
                raise StartupError(str(error.__cause__)) from error

    def service(self) -> "Service":
        """The service. It is started if it is not there.

        Raises:
            ModelUnavailable: it cannot be started now.
        """
        if self._service is None:
            if time.monotonic() < self._retry_at:
                raise ModelUnavailable("The model could not be loaded. Try again later.")
            try:
                self._service = _create_service(self._variables)
            except StartupError as error:
                self._retry_at = time.monotonic() + RETRY_AFTER_S
                telemetry.configure()
                logger.critical(str(error))
                raise ModelUnavailable("The model could not be loaded. Try again later.") from error
        return self._service

    def model_name_and_version(self) -> tuple[str, str] | None:
        """Of the served model, if there is one."""
        if self._service is None:
            return None
        manifest = self._service.model.manifest
        return manifest.name, manifest.version

    def was_cold(self) -> bool:
        """Whether this is the environment's first call."""
        was_cold, self._is_cold = self._is_cold, False
        return was_cold

    def _before_snapshot(self) -> None:
        self.service()
        snapshot.import_deferred()

    def _after_restore(self) -> None:
        # A restored snapshot cannot reuse connections or credentials. The new client is made here
        # and not by the first request.
        if self._service:
            self._service = self._service.reconnected(make_client(self._variables))


@contextmanager
def _without_collections() -> Iterator[None]:
    """Keep Python's garbage collector from what start-up makes, which stays.

    It takes 50 ms of a start-up to go through the modules again and again. After a start it leaves
    them out: a full collection among requests would take 27 ms. After a failed one it has to free
    what the failure holds.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


@_without_collections()
def _create_service(variables: Mapping[str, str]) -> "Service":
    """Read the settings, then the bundle, while the modules that need it are imported."""
    settings = Settings.from_env(variables)
    client = make_client(variables)
    preload = Preload(settings.model_uri, client)
    configure_malloc()
    # Deferred: NumPy and MXNet take 150 ms to import, while the bundle is being read.
    import_numpy()
    from classifier.model.network import Model  # noqa: PLC0415

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(lambda: Model.load(preload.take(), settings.threads))
        # The log, OpenCV and the rest, while the network is bound and runs for the first time.
        telemetry.configure()
        from classifier.service import Service  # noqa: PLC0415

        return Service.create(settings, loading.result(), client)
