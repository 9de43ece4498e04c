"""Reads the bundle in a thread of its own, while the modules that need it are imported."""

from concurrent.futures import Future, ThreadPoolExecutor

from classifier.location import S3Prefix
from classifier.model.bundle import Bundle, S3Store, read_bundle
from classifier.net.deadline import Deadline
from classifier.s3.client import S3Client

# Lambda gives a start-up ten seconds. Imports, binding and the first run need some of them.
_TIMEOUT_S = 8.0


class Preload:
    """A bundle that is being read.

    Args:
        prefix: The bundle's place.
        client: Reads it.
    """

    def __init__(self, prefix: S3Prefix, client: S3Client) -> None:
        store = S3Store(prefix, client, Deadline.after(_TIMEOUT_S))
        pool = ThreadPoolExecutor(1)
        self._reading: Future[Bundle] | None = pool.submit(read_bundle, store)
        pool.shutdown(wait=False)

    def take(self) -> Bundle:
        """The bundle, once. No reference stays here, so the caller alone decides when it is freed.

        Raises:
            BundleError.
        """
        assert self._reading is not None
        reading, self._reading = self._reading, None
        return reading.result()
