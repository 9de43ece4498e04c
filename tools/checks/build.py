"""Checks what `sam build` made: its size, and its libraries.

At deployment Lambda checks the size alone. A library that is missing, too new or built for another
processor would fail the first request. Every finding names the file at fault.
"""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from samcli.yamlhelper import parse_yaml_file

from tools.checks.libraries import (
    machine_findings,
    needed_findings,
    read_libraries,
    version_findings,
)
from tools.command import Command
from tools.docs.sections import fill_section
from tools.errors import ToolError

# Bytes of the function and all of its layers, unzipped: Lambda's limit, and ours.
LAMBDA_BYTES = 262_144_000
OUR_BYTES = 205_000_000
# Bytes of all zips together, which a deployment uploads.
ZIP_BYTES = 70_000_000

# Where a template names the folder of a resource.
PROPERTIES = {
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
}


@dataclass(frozen=True)
class Part:
    """A folder that Lambda unpacks: a function's, or a layer's."""

    name: str
    folder: Path
    is_layer: bool

    def files(self) -> Iterator[Path]:
        return (path for path in sorted(self.folder.rglob("*")) if path.is_file())

    def sizes(self) -> dict[str, int]:
        """Bytes by top-level package or file; a layer's packages lie in ``python``."""
        sizes: dict[str, int] = {}
        for file in self.files():
            names = file.relative_to(self.folder).parts
            top = names[1] if names[0] == "python" and len(names) > 1 else names[0]
            sizes[top] = sizes.get(top, 0) + file.stat().st_size
        return dict(sorted(sizes.items(), key=lambda item: -item[1]))

    def total(self) -> int:
        return sum(self.sizes().values())

    def zipped(self) -> int:
        """The bytes of the part's zip, as `sam package` makes it."""
        with tempfile.TemporaryFile() as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for path in self.files():
                    archive.write(path, path.relative_to(self.folder))
            return file.tell()


def parts_of(build: Path) -> list[Part]:
    """The functions' folders and the layers', as the built template in ``build`` names them.

    Raises ToolError: there is no built template, or a folder that it names is missing.
    """
    template = build / "template.yaml"
    if not template.is_file():
        raise ToolError(f"{template} is missing: run `sam build` first")
    parts: dict[Path, Part] = {}
    for name, resource in parse_yaml_file(str(template))["Resources"].items():
        key = PROPERTIES.get(resource["Type"])
        if key:
            folder = (build / resource["Properties"][key]).resolve()
            if not folder.is_dir():
                raise ToolError(f"{template}: {name}'s {folder} is missing: run `sam build` again")
            # Functions may share their code.
            parts.setdefault(folder, Part(name, folder, is_layer=key == "ContentUri"))
    return list(parts.values())


def largest_deployment(parts: list[Part]) -> list[Part]:
    """The parts whose sizes Lambda adds up: the largest function, and the layers of them all."""
    largest = max((part for part in parts if not part.is_layer), key=Part.total)
    return [largest, *(part for part in parts if part.is_layer)]


def size_findings(parts: list[Part]) -> Iterator[str]:
    """Whether the size is within Lambda's limit and ours; a finding names the largest file."""
    total = sum(part.total() for part in parts)
    if total > OUR_BYTES:
        largest = max((file for part in parts for file in part.files()), key=_size)
        limit = f"Lambda's {LAMBDA_BYTES:,}" if total > LAMBDA_BYTES else f"our {OUR_BYTES:,}"
        yield (
            f"{largest}: function and layers have {total:,} bytes, more than {limit}; this file is"
            f" the largest with {_size(largest):,}"
        )
        return  # To zip what is far too large takes long.
    if (zipped := sum(part.zipped() for part in parts)) > ZIP_BYTES:
        largest_part = max(parts, key=Part.zipped)
        yield (
            f"{largest_part.folder}: the zips come to {zipped:,} bytes, more than {ZIP_BYTES:,};"
            " this one is the largest"
        )


def _size(file: Path) -> int:
    return file.stat().st_size


def table_of(parts: list[Part]) -> str:
    """Bytes by part and package, the total, and what the limits leave."""
    table = Table("part", "package", "bytes", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for part in parts:
        sizes = part.sizes()
        largest = dict(list(sizes.items())[:4])
        for package, size in largest.items():
            table.add_row(part.name, package, f"{size:,}")
        if rest := sum(sizes.values()) - sum(largest.values()):
            table.add_row(part.name, "the rest", f"{rest:,}")
    total = sum(part.total() for part in parts)
    table.add_row("all", "", f"{total:,}")
    table.add_row("room", f"below our {OUR_BYTES:,}", f"{OUR_BYTES - total:,}")
    table.add_row("room", f"below Lambda's {LAMBDA_BYTES:,}", f"{LAMBDA_BYTES - total:,}")
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as text:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in text.get().splitlines())


@click.command("scripts/check_build.py", cls=Command)
@click.argument("build", type=click.Path(path_type=Path), default=Path(".aws-sam/build"))
@click.option(
    "--write",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A page to write the table of sizes to, docs/layers.md.",
)
def main(build: Path, write: Path | None) -> None:
    """Check the function and the layers that `sam build` made in BUILD."""
    parts = parts_of(build)
    counted = largest_deployment(parts)
    table = table_of(counted)
    click.echo(table)
    if write:
        fill_section(write, "sizes", f"```\n{table}```")
    libraries, findings = read_libraries(file for part in parts for file in part.files())
    findings += size_findings(counted)
    findings += machine_findings(libraries)
    # /opt/lib is on Lambda's LD_LIBRARY_PATH.
    findings += needed_findings(libraries, [part.folder / "lib" for part in parts])
    findings += version_findings(libraries)
    for finding in findings:
        click.echo(finding, err=True)
    if findings:
        raise ToolError(f"{build} would fail on Lambda: {len(findings)} finding(s)")
    click.echo(f"{len(libraries)} libraries: all for x86_64, complete, and old enough for Lambda")
