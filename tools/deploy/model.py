"""The model of a deployment: published once, and asked for its answer to the known image."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from classifier.config import Settings
from classifier.errors import BundleError
from classifier.image.tensor import Limits, to_tensor
from classifier.location import S3Prefix
from classifier.model.bundle import MANIFEST, Bundle, Folder, read_bundle
from classifier.model.labels import LabelOptions, top
from classifier.model.network import Model
from tools.errors import ToolError
from tools.model.publish import publish
from tools.store import s3_store

PROBE = Path(__file__).parents[2] / "hooks" / "probe.jpg"


@dataclass(frozen=True)
class Probe:
    """The best label of the known image, and its probability, 0..1."""

    label: str
    probability: float


def read(folder: Path) -> Bundle:
    """The bundle in ``folder``. Raises ToolError: there is none. BundleError: it is broken."""
    if not (folder / MANIFEST).is_file():
        raise ToolError(f"{folder} holds no bundle: `make model` makes one, or name another")
    return read_bundle(Folder(folder))


def probe(bundle: Bundle) -> Probe:
    """What the network says of the known image here; the deployed one must say the same."""
    limits = Limits(Settings.max_image_bytes, Settings.max_image_pixels)
    tensor = to_tensor(PROBE.read_bytes(), bundle.manifest.input, limits)
    (best,) = top(Model.load(bundle).classify([tensor])[0], bundle.labels, LabelOptions(top_k=1))
    return Probe(best.label.name, round(best.probability, 4))


def ensure(folder: Path, bundle: Bundle, bucket: str, advance: Callable[[], None]) -> S3Prefix:
    """See to it that the bundle of ``folder`` is in ``bucket``; returns where.

    Raises ToolError: another bundle has that name and version.
    """
    manifest = bundle.manifest
    place = S3Prefix(bucket, f"models/{manifest.name}/{manifest.version}")
    try:
        there = s3_store(place).read(MANIFEST)
    except FileNotFoundError:
        publish(folder, place, advance)
        return place
    if there != (folder / MANIFEST).read_bytes():
        raise ToolError(
            f"{place} holds another bundle of that version: give {folder} a version of its own"
        )
    try:
        read_bundle(s3_store(place))
    except BundleError as error:
        raise ToolError(f"what is published is broken: {error}") from error
    return place
