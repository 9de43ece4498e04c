"""The output of `make run`: steps while it starts, then a line for each request."""

import json
from datetime import datetime
from threading import Lock

from rich.console import Console
from rich.markup import escape

from tools.local.gateway import Exchange

_LEVELS = ("WARNING", "ERROR", "CRITICAL")
_COLORS = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}


class Terminal:
    """Plain lines where the output is no terminal. Several threads may use it."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._lock = Lock()
        self._last = ""

    def step(self, name: str, text: str) -> None:
        """A step that is done: its name and its result."""
        self.console.print(f"  [green]✓[/] {name:<13}[dim]{escape(text)}[/]")

    def remark(self, text: str) -> None:
        """Something that people should know."""
        self.console.print(f"  [yellow]![/] {escape(text)}")

    def request(self, exchange: Exchange) -> None:
        """One line for a request."""
        color = _COLORS.get(exchange.status // 100, "white")
        by = f"env {exchange.environment}" if exchange.environment else "gateway"
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        self.console.print(
            f"[dim]{now}[/]  {escape(exchange.method):<7} {escape(exchange.path):<14}"
            f" [{color}]{exchange.status}[/] {exchange.duration_ms:8.1f} ms  [dim]{by}[/]"
        )

    def function_line(self, line: str) -> None:
        """A line that the function wrote. Warnings and errors are shown, repeated ones once.

        Its records of requests are not: ``request`` shows these.
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
