"""ResNet-18 from where it was published: every source is tried until one proves good."""

import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

from classifier.errors import BundleError
from classifier.model.labels import IMAGENET_LABELS
from classifier.model.manifest import Manifest, legacy_manifest
from tools.errors import ToolError
from tools.model import resnet
from tools.model.checkpoint import checkpoint_draft
from tools.model.convert import from_gluon
from tools.model.destination import refuse_existing
from tools.model.draft import NewBundle
from tools.model.network import gives_probabilities, params_file, read_arrays
from tools.model.synthetic import IMAGENET_PREPROCESSING
from tools.model.transfer import MAX_BYTES, Report, Transfer


@dataclass(frozen=True)
class Source:
    """A place that published the network.

    files: what is fetched, below ``base``. verified: how ``draft`` can tell the right files from
    wrong ones; empty where nobody published a checksum. draft: makes a bundle of the files'
    contents; raises ToolError where they are not what they should be.
    """

    title: str
    base: str
    files: tuple[str, ...]
    verified: str
    draft: Callable[[Sequence[bytes]], NewBundle]


@dataclass(frozen=True)
class Failure:
    """What was tried, and why it came to nothing."""

    source: str
    address: str
    reason: str


class NoSourceError(ToolError):
    """Every source failed."""

    def __init__(self, failures: list[Failure]) -> None:
        super().__init__("none of the sources gave the model")
        self.failures = failures


def gluon_draft(files: Sequence[bytes], *, entry: str, sha1: str) -> NewBundle:
    """The bundle of Gluon's zip, whose ``entry`` must have the checksum ``sha1``."""
    try:
        with zipfile.ZipFile(io.BytesIO(files[0])) as archive, archive.open(entry) as file:
            params = file.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ToolError(f"not the zip that it should be: {error}") from error
    # SHA-1 is what was published; it still tells a wrong or damaged file.
    if (found := hashlib.sha1(params, usedforsecurity=False).hexdigest()) != sha1:
        raise ToolError(f"wrong checksum: SHA-1 of {entry} is {found}, not {sha1}")
    architecture, arguments, auxiliary = from_gluon(read_arrays(params))
    return NewBundle(
        name=architecture.name,
        preprocessing=IMAGENET_PREPROCESSING,
        probabilities=False,
        source="Gluon, resnet18_v1",
        symbol=resnet.symbol(architecture).tojson().encode(),
        params=params_file(arguments, auxiliary),
        labels=IMAGENET_LABELS.read_bytes(),
    )


def torchvision_draft(files: Sequence[bytes], *, sha256: str) -> NewBundle:
    """The bundle of torchvision's .pth, whose SHA-256 must begin with ``sha256``."""
    found = hashlib.sha256(files[0]).hexdigest()
    if not found.startswith(sha256):
        raise ToolError(f"wrong checksum: its SHA-256 begins {found[: len(sha256)]}, not {sha256}")
    return checkpoint_draft(
        files[0],
        "the checkpoint",
        labels=IMAGENET_LABELS.read_bytes(),
        labels_origin=str(IMAGENET_LABELS),
        source="torchvision, resnet18",
    )


def zoo_draft(files: Sequence[bytes]) -> NewBundle:
    """The bundle of the 2017 model zoo's symbol and parameters."""
    symbol, params = files
    return NewBundle(
        name="resnet-18",
        preprocessing=legacy_manifest().input,
        probabilities=gives_probabilities(symbol),
        source="MXNet model zoo, 2017",
        symbol=symbol,
        params=params,
        labels=IMAGENET_LABELS.read_bytes(),
    )


def _gluon(files: Sequence[bytes]) -> NewBundle:
    sha1 = "a0666292f0a30ff61f857b0b66efc0228eb6a54b"
    return gluon_draft(files, entry="resnet18_v1-a0666292.params", sha1=sha1)


def _torchvision(files: Sequence[bytes]) -> NewBundle:
    return torchvision_draft(files, sha256="f37072fd")


_ZOO_FILES = ("resnet-18-symbol.json", "resnet-18-0000.params")
# Those with a checksum first: of the 2017 model none was ever published.
SOURCES = {
    "resnet-18": (
        Source(
            "Gluon model store, resnet18_v1",
            "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/gluon/models",
            ("resnet18_v1-a0666292.zip",),
            "SHA-1 verified",
            _gluon,
        ),
        Source(
            "torchvision, resnet18",
            "https://download.pytorch.org/models",
            ("resnet18-f37072fd.pth",),
            "SHA-256 verified by its first 8 digits",
            _torchvision,
        ),
        Source(
            "MXNet model zoo, 2017",
            "https://data.mxnet.io/models/imagenet/resnet/18-layers",
            _ZOO_FILES,
            "",
            zoo_draft,
        ),
        Source(
            "MXNet model zoo, 2017, unencrypted",
            "http://data.mxnet.io/models/imagenet/resnet/18-layers",
            _ZOO_FILES,
            "",
            zoo_draft,
        ),
    )
}


def mirrored(sources: Sequence[Source], mirror: str) -> list[Source]:
    """The same sources, all below the address ``mirror``, each once."""
    moved = {source.files: replace(source, base=mirror) for source in reversed(sources)}
    return list(reversed(moved.values()))


def fetch(
    sources: Sequence[Source],
    to: Path,
    start: Callable[[str], Report],
    *,
    silence_s: float,
) -> Manifest:
    """Write the bundle of the first of ``sources`` that is good into the folder ``to``.

    What breaks off is kept beside ``to`` and goes on there at the next call, where a checksum
    can tell that the halves fit.

    start: told the address of each file that is fetched; gives what is told of its progress.
    silence_s: how long a server may stay silent, seconds.

    Raises NoSourceError: none is good. ToolError: ``to`` is taken. OSError: the disk refuses.
    """
    refuse_existing(to)
    parts = to.with_name(f".{to.name}.download")
    parts.mkdir(parents=True, exist_ok=True)
    failures = []
    try:
        for source in sources:
            try:
                made = _get(source, parts, start, silence_s).write(to)
            except (ToolError, BundleError) as error:
                failures.append(Failure(source.title, source.base, str(error)))
            else:
                rmtree(parts)
                return made
    finally:
        with suppress(OSError):
            parts.rmdir()  # where nothing is left to go on with
    raise NoSourceError(failures)


def _get(
    source: Source, parts: Path, start: Callable[[str], Report], silence_s: float
) -> NewBundle:
    contents = []
    for name in source.files:
        url, part = f"{source.base}/{name}", parts / name
        if not source.verified:
            part.unlink(missing_ok=True)
        try:
            contents.append(Transfer(url, part, start(url), silence_s=silence_s).run())
        except ToolError as error:
            raise ToolError(f"{name}: {error}") from error
    # From here on it is all or nothing: what is wrong with these files, more of them won't mend.
    for name in source.files:
        (parts / name).unlink()
    draft = source.draft(contents)
    origin = f"{source.title}: {source.base}/{source.files[0]}"
    return replace(draft, source=f"{origin} ({source.verified or 'no checksum was published'})")
