"""One batch of the state machine: S3 objects in, one result or one error for each out. No I/O.

The state machine passes on items as its reader delivers them: objects of a listing, or rows of a
manifest. Each has a ``Key``. Its ``Bucket``, where there is one, wins over the batch's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from classifier.errors import InvalidRequest
from classifier.fetch.sources import Source
from classifier.location import S3Object
from classifier.model.labels import Label, LabelOptions

if TYPE_CHECKING:  # the pipeline brings NumPy and OpenCV, which start-up imports later
    from classifier.model.layers import Sizes
    from classifier.outcome import Outcomes

# A state of Step Functions holds 256 KiB. Keys of the greatest length (1,024 bytes) and sixteen
# of ImageNet's longest labels for each of sixty-four images stay just below that.
MAX_ITEMS = 64
MAX_TOP_K = 16
# Embeddings and maps share that: a key of that length, its bucket and the model; a label; a number.
_STATE_BYTES = 256 * 1024
_ITEM_BYTES, _LABEL_BYTES, _NUMBER_BYTES = 1500, 160, 12

type Result = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One object of a batch, unchecked: a bad row becomes one error."""

    bucket: Any
    key: Any

    def source(self) -> Source:
        """Where the image is, or why nowhere."""
        if not isinstance(self.key, str) or not self.key:
            return InvalidRequest("The item has no 'Key'.")
        if not isinstance(self.bucket, str) or not self.bucket:
            return InvalidRequest("Neither the item nor the batch has a 'Bucket'.")
        return S3Object(self.bucket, self.key)


@dataclass(frozen=True)
class Batch:
    """The objects of one batch, and what to answer of each."""

    items: tuple[Item, ...]
    options: LabelOptions = field(default_factory=LabelOptions)

    def check(self, sizes: "Sizes") -> None:
        """Check that the network of ``sizes`` has what the options ask for, and that it fits.

        Raises:
            InvalidRequest: it has not, or it does not.
        """
        if not self.options.needs_layers:
            return
        sizes.check([self.options])
        labels = min(self.options.top_k, sizes.classes)
        numbers = sizes.numbers(self.options)
        item_bytes = _ITEM_BYTES + _LABEL_BYTES * labels + _NUMBER_BYTES * numbers
        most = _STATE_BYTES // item_bytes
        if len(self.items) > most:
            raise InvalidRequest(
                f"The embeddings and maps of {len(self.items)} images do not fit into a state of "
                f"Step Functions. Set 'items_per_batch' to {most} or less."
                if most
                else "Not even one image's embedding and maps fit into a state of Step Functions."
            )


def parse_batch(event: Mapping[str, Any]) -> Batch:
    """The batch that ItemBatcher made: ``{"Items": […], "BatchInput": {…}}``.

    ``BatchInput`` may hold ``bucket`` (of items that name none), ``top_k`` (1..MAX_TOP_K),
    ``min_probability`` (0..1), ``embedding`` and ``explain``.

    Raises:
        InvalidRequest: the event is no such batch. A bad item raises nothing here.
    """
    items = event.get("Items")
    common = event.get("BatchInput", {})
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidRequest(f"'Items' should be a list of 1 to {MAX_ITEMS} objects.")
    if not isinstance(common, dict):
        raise InvalidRequest("'BatchInput' should be an object.")
    options = LabelOptions.parse(common, max_top_k=MAX_TOP_K)
    return Batch(tuple(_parse_item(item, common.get("bucket")) for item in items), options)


def results(
    batch: Batch, outcomes: "Outcomes", labels: tuple[Label, ...], model_info: Result
) -> list[Result]:
    """A line of the results for each object of ``batch``; each holds ``model_info``."""
    return [
        {"bucket": item.bucket, "key": item.key} | model_info | outcome.describe(labels)
        for item, outcome in zip(batch.items, outcomes.images, strict=True)
    ]


def _parse_item(item: Any, bucket: Any) -> Item:
    if not isinstance(item, dict):
        return Item(bucket, None)
    return Item(item.get("Bucket") or bucket, item.get("Key"))
