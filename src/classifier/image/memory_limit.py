"""The memory limit: what a decoder takes beyond the function's memory fails one image.

Lambda ends an environment that outgrows its memory, with whatever else it was doing. Under the
limit the allocation itself fails, and the image with it. The limit holds for the whole process: an
allocation of another thread, a download say, can be the one that fails meanwhile. Threads that set
it share it: it holds until the last one has left.
"""

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PAGE = os.sysconf("SC_PAGE_SIZE")
# Left for everything but the image: stacks, buffers, the response.
_RESERVE = 64 * 1024 * 1024


class _SharedLimit:
    """The process's limit, and how many threads are under it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads = 0
        self._before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def enter(self, limit: int) -> None:
        """Set it, unless another thread has."""
        with self._lock:
            if not self._threads:
                self._before = resource.getrlimit(resource.RLIMIT_DATA)
                # RLIMIT_DATA and not RLIMIT_AS: address space that is only reserved costs nothing.
                resource.setrlimit(resource.RLIMIT_DATA, (_data_allowed(limit), self._before[1]))
            self._threads += 1

    def leave(self) -> None:
        """Lift it, unless another thread is under it."""
        with self._lock:
            self._threads -= 1
            if not self._threads:
                resource.setrlimit(resource.RLIMIT_DATA, self._before)


_SHARED = _SharedLimit()


@contextmanager
def memory_limit(limit: int | None) -> Iterator[None]:
    """Let this process's data grow only up to ``limit`` bytes of resident memory, for a while.

    limit: the function's memory, bytes; None: no limit. What is refused raises MemoryError in
    Python, and in a C library whatever that makes of a failed ``malloc``.
    """
    if limit is None:
        yield
        return
    _SHARED.enter(limit)
    try:
        yield
    finally:
        _SHARED.leave()


def _data_allowed(limit: int) -> int:
    """What RLIMIT_DATA counts when the process has ``limit`` bytes of resident memory."""
    # statm: pages in all, resident, shared, text, library, data and stack (proc(5)).
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  (a tenth of the time)
        fields = file.read().split()
    resident, data = int(fields[1]) * _PAGE, int(fields[5]) * _PAGE
    return data + max(limit - resident - _RESERVE, 0)
