"""The memory limit: what a decoder takes beyond the function's memory fails one image.

Lambda ends an environment that outgrows its memory, with whatever else it was doing. Under the
limit the allocation itself fails, and the image with it. The limit holds for the whole process: an
allocation of another thread, a download say, can be the one that fails meanwhile.
"""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

_PAGE = os.sysconf("SC_PAGE_SIZE")
# Left for everything but the image: stacks, buffers, the response.
_RESERVE = 64 * 1024 * 1024


@contextmanager
def memory_limit(limit: int | None) -> Iterator[None]:
    """Let this process's data grow only up to ``limit`` bytes of resident memory, for a while.

    limit: the function's memory, bytes; None: no limit. What is refused raises MemoryError in
    Python, and in a C library whatever that makes of a failed ``malloc``.
    """
    if limit is None:
        yield
        return
    # statm: pages in all, resident, shared, text, library, data and stack (proc(5)).
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  (a tenth of the time)
        fields = file.read().split()
    resident, data = int(fields[1]) * _PAGE, int(fields[5]) * _PAGE
    before = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = data + max(limit - resident - _RESERVE, 0)
    # RLIMIT_DATA and not RLIMIT_AS: address space that is only reserved costs nothing.
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
