"""The model of a deployment: published once, and asked for its answer to the known image."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from classifier.batch import MAX_ITEMS, MAX_TOP_K
from classifier.config import Settings
from classifier.errors import BundleError
from classifier.image.tensor import Limits, to_tensor
from classifier.location import S3Prefix
from classifier.model.bundle import MANIFEST, Bundle, Folder, read_bundle
from classifier.model.labels import LabelOptions, Prediction, top
from classifier.model.network import Model
from tools.deploy.parameters import Values
from tools.deploy.uploads import BUCKETS
from tools.errors import ToolError
from tools.model.publish import publish
from tools.project import ROOT
from tools.store import s3_store

PROBE = ROOT / "hooks" / "probe.jpg"
# int8 and float32 kernels differ a little from one kind of processor to the next. The pre-traffic
# hook, which cannot import this, has the same.
TOLERANCE = 0.05
# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
_MAX_STATE_BYTES = 256 * 1024


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


def check_batches(bundle: Bundle) -> None:
    """Check that a batch's answer fits into a state of Step Functions, whatever its images are.

    Raises ToolError: the labels are too long for that.
    """
    manifest = bundle.manifest
    longest = sorted(
        (len(json.dumps(Prediction(label, 0.123456).describe())) for label in bundle.labels),
        reverse=True,
    )[:MAX_TOP_K]
    # A bucket's name has up to 63 characters, a key up to 1,024 bytes.
    model = {"name": manifest.name, "version": manifest.version}
    item = {"bucket": "b" * 63, "key": "k" * 1024, "model": model, "labels": []}
    size = MAX_ITEMS * (len(json.dumps(item)) + sum(longest) + 2 * len(longest) + 2)
    if size > _MAX_STATE_BYTES:
        raise ToolError(
            f"a batch's answer could have {size:,} bytes with these labels; Step Functions takes"
            f" {_MAX_STATE_BYTES:,}: shorten the longest labels, or deploy without BatchBuckets"
        )


def check_embedding(bundle: Bundle, values: Values) -> None:
    """Check that the bundle has the embedding that results of uploads shall hold.

    values: the stack's parameters, or those that are known: an earlier deploy may have set buckets.

    Raises ToolError: it has none.
    """
    if values.get("EmbedUploads") != "true" or values.get(BUCKETS) == "":
        return
    if not bundle.manifest.output.embedding:
        raise ToolError(
            f"EmbedUploads=true: {bundle.manifest.name} has no embedding; choose another model, or"
            " set EmbedUploads=false"
        )


def ensure(folder: Path, bundle: Bundle, bucket: str, advance: Callable[[], None]) -> S3Prefix:
    """Make sure that the bundle of ``folder`` is in ``bucket``; returns where.

    Raises ToolError: another bundle has that name and version.
    """
    manifest = bundle.manifest
    place = S3Prefix(bucket, f"models/{manifest.name}/{manifest.version}")
    try:
        published = s3_store(place).read(MANIFEST)
    except FileNotFoundError:
        publish(folder, place, advance)
        return place
    if published != (folder / MANIFEST).read_bytes():
        raise ToolError(
            f"{place} holds another bundle of that version: give {folder} a version of its own"
        )
    try:
        read_bundle(s3_store(place))
    except BundleError as error:
        raise ToolError(f"what is published is broken: {error}") from error
    return place


def previous(before: dict[str, str], served: str) -> str:
    """The bundle that stays readable when ``served`` is deployed over the parameters ``before``."""
    deployed = before.get("ModelUri", "")
    return before.get("PreviousModelUri", "") if deployed == served else deployed
