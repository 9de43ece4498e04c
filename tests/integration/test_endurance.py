"""One environment, thousands of requests of every kind: its memory stays where it is.

ENDURANCE_REQUESTS says how many; the limit holds for 10,000, which take some minutes.
"""

import json
import os
import re
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import colors
import golden_events

REQUESTS = int(os.environ.get("ENDURANCE_REQUESTS", "1500"))
SETTLED = 1000
# These wait for a slow server, or read a megabyte of an endless one.
SLOW = {"failed-too-slow", "refused-too-many-bytes"}


def resident(pid: int) -> int:
    """Resident memory of the process ``pid``, kB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def function_process(log: list[str]) -> int:
    """The process that wrote ``log``: the function names it in no line, but Linux knows it."""
    assert log
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"MODEL_URI=s3://models/endurance" in path.read_bytes():
                command = (path.parent / "cmdline").read_bytes()
                if b"awslambdaric" in command and b"rie" not in command:
                    return int(path.parent.name)
        except OSError:
            continue
    raise AssertionError("the function does not run")


def test_memory_does_not_grow_over_many_requests(
    emulator: Callable[..., Any], s3: Any, tmp_path: Path
) -> None:
    golden_events.fill(s3, colors.write_bundle(tmp_path), "endurance")
    with golden_events.image_server() as address:
        settings = {"MODEL_URI": "s3://models/endurance", "PRIVATE_URL_HOSTS": address}
        environment = emulator(variables=golden_events.SETTINGS | settings)
        names = [name for name in golden_events.NAMES if name not in SLOW]
        events = [json.dumps(golden_events.event(name, address)).encode() for name in names]
        settled = 0
        for number, event in enumerate(islice(cycle(events), REQUESTS), 1):
            status = json.loads(environment.invoke(event))["statusCode"]
            assert status not in (500, 503), event
            if number == SETTLED:
                process = function_process(environment.log)
                settled = resident(process)
        assert resident(process) <= settled * 1.02
