"""Types of options' values that click has not. A wrong value ends a command before its work."""

import math
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click


class FiniteRange(click.FloatRange):
    """A number in a range. Not NaN: no comparison with it holds, so it passes click's own type."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class Address(click.ParamType):
    """The ``https://`` or ``http://`` address of a server, without a slash at its end."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parts = urlsplit(value)
            is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
            _ = parts.port  # raises ValueError where it is no port
        except ValueError:
            is_address = False
        if not is_address:
            self.fail(f"{value!r} is not an address like https://host/path.", param, ctx)
        return value.rstrip("/")


class OutputFile(click.Path):
    """A file that will be written, or replaced: not a folder, and in a folder that is there."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, readable=False, path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        path: Path = super().convert(value, param, ctx)  # type: ignore[assignment]
        folder = path.resolve().parent
        if not folder.is_dir():
            self.fail(f"{path}: there is no folder {folder}; make it first.", param, ctx)
        is_replaced = path.is_file() or not path.exists()  # not a pipe, or /dev/null
        if is_replaced and not os.access(folder, os.W_OK | os.X_OK):
            self.fail(f"{path}: {folder} cannot be written; choose another place.", param, ctx)
        return path
