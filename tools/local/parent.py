"""An end with `make`: Ctrl-C reaches everybody at a terminal, a signal to make alone does not.

GNU make hands SIGTERM on to what it runs, but on SIGINT it only waits for it, and on SIGKILL it
is gone.
"""

import os
import re
import signal
import time
from pathlib import Path
from threading import Thread

_EVERY_S = 0.2


def stop_with_make() -> None:
    """Send ourselves SIGINT when the make that started us was interrupted, or is gone.

    Does nothing when something else than make started us.
    """
    make = os.getppid()
    if "MAKELEVEL" in os.environ and _handles_sigint(make):
        Thread(target=_watch, args=(make,), daemon=True).start()


def _watch(make: int) -> None:
    while os.getppid() == make and _handles_sigint(make):
        time.sleep(_EVERY_S)
    os.kill(os.getpid(), signal.SIGINT)


def _handles_sigint(pid: int) -> bool:
    """Whether ``pid`` still catches SIGINT: make does so until the first one comes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> (signal.SIGINT - 1) & 1)
