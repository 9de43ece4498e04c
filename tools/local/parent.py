"""Ends with the `make` that started us, when a signal reaches make alone.

Ctrl-C at a terminal reaches make and us. `kill -INT` of make does not reach us: GNU make hands
SIGTERM on to its children, but on SIGINT it removes its handler and waits for them, and on
SIGKILL it is gone.

There is no plainer way than /proc to notice this. Make tells its children nothing, a shell between
make and us would get no signal either, and the kernel's parent-death signal (``prctl``) comes only
when make ends, which waits for us. What shows is that make no longer catches SIGINT.
"""

import os
import re
import signal
import time
from pathlib import Path
from threading import Thread

_POLL_S = 0.2


def stop_with_make() -> None:
    """Send ourselves SIGINT when the make that started us was interrupted, or is gone.

    Does nothing when something other than make started us.
    """
    make = os.getppid()
    if "MAKELEVEL" in os.environ and _catches_sigint(make):
        Thread(target=_watch, args=(make,), daemon=True).start()


def _watch(make: int) -> None:
    while os.getppid() == make and _catches_sigint(make):
        time.sleep(_POLL_S)
    os.kill(os.getpid(), signal.SIGINT)


def _catches_sigint(pid: int) -> bool:
    """Whether the process has a handler of SIGINT; make has one until the first SIGINT."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    mask = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(mask and int(mask[1], 16) >> (signal.SIGINT - 1) & 1)
