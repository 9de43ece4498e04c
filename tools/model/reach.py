"""Which addresses answer, in seconds: all of them are asked at once."""

import queue
import threading
import time
from collections.abc import Sequence

import requests

from tools.model.download import reason


def unreachable(urls: Sequence[str], within_s: float) -> dict[str, str]:
    """The addresses that do not answer a HEAD request within ``within_s`` seconds, and why.

    Any status is an answer. The look-up of a name counts too; it cannot be interrupted, so each
    address has a thread that does not keep the process alive.
    """
    deadline = time.monotonic() + within_s
    results: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
    for url in urls:
        threading.Thread(target=_ask, args=(url, within_s, results), daemon=True).start()
    remaining = dict.fromkeys(urls, f"cannot be reached: no answer within {within_s:g} s")
    failures = {}
    while remaining:
        try:
            url, failure = results.get(timeout=max(deadline - time.monotonic(), 0))
        except queue.Empty:
            break
        del remaining[url]
        if failure:
            failures[url] = failure
    return failures | remaining


def _ask(url: str, within_s: float, results: "queue.SimpleQueue[tuple[str, str | None]]") -> None:
    try:
        with requests.head(url, timeout=within_s, allow_redirects=False):
            results.put((url, None))
    except requests.RequestException as error:
        results.put((url, reason(error)))
