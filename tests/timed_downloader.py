"""A downloader with a time-out, as the fetcher uses it."""

import time
from collections.abc import Callable
from typing import Any

from classifier.fetch.download import Downloader
from classifier.net.deadline import Deadline


class TimedDownloader:
    """Downloads within ``timeout_s``; ``settings`` are those of ``Downloader``."""

    def __init__(
        self,
        *,
        timeout_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        **settings: Any,
    ) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        defaults = {
            "allowed_hosts": frozenset(),
            "private_hosts": frozenset(),
            "max_bytes": 1000,
            "user_agent": "test",
        }
        self._downloader = Downloader(**(defaults | settings), clock=clock)

    def get(self, url: str, *, deadline: float | None = None) -> bytes:
        limit = Deadline.after(self._timeout_s, self._clock)
        if deadline is not None:
            limit = Deadline(min(limit.at, deadline), self._clock)
        return self._downloader.get(url, limit)
