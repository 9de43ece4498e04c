"""A network of the catalogue, from its publishers: each source is tried until one is good."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from classifier.errors import BundleError
from classifier.model.manifest import Manifest
from tools.errors import ToolError
from tools.model.catalogue import Network, Source
from tools.model.download import Download, Start, Timeouts
from tools.model.formats import to_bundle
from tools.model.new_folder import refuse_existing
from tools.model.wheel import read_wheel


@dataclass(frozen=True)
class Failure:
    """A source that was tried, and why it failed."""

    source: str
    place: str
    reason: str


class NoSourceError(ToolError):
    """Every source failed."""

    def __init__(self, network: str, failures: Sequence[Failure]) -> None:
        super().__init__(f"none of the sources of {network} is good")
        self.failures = failures


def fetch(network: Network, to: Path, start: Start, timeouts: Timeouts) -> Manifest:
    """Write the bundle of ``network`` from the first of its sources that is good into ``to``.

    A download that breaks off is kept beside ``to`` and goes on there at the next call, where a
    checksum can tell that the halves fit.

    Raises NoSourceError: none is good. ToolError: ``to`` is not empty. OSError: the disk refuses.
    """
    refuse_existing(to)
    parts = to.with_name(f".{to.name}.download")
    parts.mkdir(parents=True, exist_ok=True)
    failures = []
    try:
        for source in network.sources:
            try:
                read = _read_package if source.package else _download
                manifest = to_bundle(network, source, read(source, parts, start, timeouts)).write(
                    to
                )
            except (ToolError, BundleError) as error:
                failures.append(Failure(source.title, source.place, str(error)))
            else:
                rmtree(parts)
                return manifest
    finally:
        with suppress(OSError):
            parts.rmdir()  # where nothing is left to go on with
    raise NoSourceError(network.name, failures)


def _read_package(source: Source, parts: Path, start: Start, timeouts: Timeouts) -> list[bytes]:
    report = start(f"{source.package} from {source.title}")
    return read_wheel(source, parts / "wheel", report, timeouts)


def _download(source: Source, parts: Path, start: Start, timeouts: Timeouts) -> list[bytes]:
    contents = []
    for name in source.files:
        url, part = f"{source.address}/{name}", parts / name
        if not source.check:
            part.unlink(missing_ok=True)
        try:
            contents.append(Download(url, part, start(url), timeouts=timeouts).run())
        except ToolError as error:
            raise ToolError(f"{name}: {error}") from error
    # They are whole: if one is wrong, resuming does not help.
    for name in source.files:
        (parts / name).unlink()
    return contents
