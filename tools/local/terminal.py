"""What `make run` shows: steps while it starts, then a line a request."""

import json
from datetime import datetime
from threading import Lock

from rich.console import Console
from rich.markup import escape

from tools.local.gateway import Served

_LEVELS = ("WARNING", "ERROR", "CRITICAL")
_COLORS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}


class Terminal:
    """Plain lines where the output is no terminal. Safe to use from several threads."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._lock = Lock()
        self._last = ""

    def step(self, name: str, text: str) -> None:
        """Something is done: what, and what came of it."""
        self.console.print(f"  [green]✓[/] {name:<13}[dim]{escape(text)}[/]")

    def remark(self, text: str) -> None:
        """Something that people should know."""
        self.console.print(f"  [yellow]![/] {escape(text)}")

    def request(self, served: Served) -> None:
        """One request, one line."""
        color = _COLORS.get(served.status // 100, "white")
        by = f"env {served.environment}" if served.environment else "gateway"
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        self.console.print(
            f"[dim]{now}[/]  {escape(served.method):<7} {escape(served.path):<14}"
            f" [{color}]{served.status}[/] {served.duration_ms:8.1f} ms  [dim]{by}[/]"
        )

    def function_line(self, line: str) -> None:
        """One line that the function wrote: what it warns of is shown, each thing once in a row.

        Its record of each request is not: ``request`` tells of them.
        """
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            if record.get("level") not in _LEVELS:
                return
            line = "\n".join(
                str(record[name]) for name in ("message", "exception") if record.get(name)
            )
        with self._lock:
            if line == self._last:
                return
            self._last = line
        self.console.print(f"  [red]✗[/] {escape(line)}")
