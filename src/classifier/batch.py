"""One batch of the state machine: S3 objects in; for each, one result or one error out. No I/O.

The state machine hands on its items as its reader found them: objects of a listing, or rows of
a manifest. What they have in common is ``Key``; ``Bucket`` is there where they know better than
the batch.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from classifier.api import gateway
from classifier.api import predict as api
from classifier.errors import InvalidRequest, RequestError
from classifier.fetch.sources import Url
from classifier.image.tensor import Tensor
from classifier.model.labels import Label, Probabilities, top

# Images that are classified together, and downloads side by side.
CHUNK = 16
# A state of Step Functions holds 256 KiB. Keys of the greatest length (1,024 bytes) and sixteen
# of ImageNet's longest labels for each of sixty-four images stay just below that.
MAX_ITEMS = 64
MAX_TOP_K = 16

type Result = dict[str, Any]
type Outcome = Probabilities | RequestError
type Fetch = Callable[["Item"], bytes]
type Decode = Callable[[bytes], Tensor]
type Classify = Callable[[Sequence[Tensor]], Probabilities]


@dataclass(frozen=True)
class Item:
    """One object to classify, as the event has it: unchecked, so that a bad row is one error."""

    bucket: Any
    key: Any

    def source(self) -> Url:
        """Where the image is. Raises InvalidRequest."""
        if not isinstance(self.key, str) or not self.key:
            raise InvalidRequest("The item has no 'Key'.")
        if not isinstance(self.bucket, str) or not self.bucket:
            raise InvalidRequest("Neither the item nor the batch has a 'Bucket'.")
        # An s3:// address cannot say them; and "folder/" is what consoles make of a folder.
        if self.key.startswith("/") or self.key.endswith("/"):
            raise InvalidRequest("A key that begins or ends with a slash is not taken.")
        return Url(f"s3://{self.bucket}/{self.key}")


@dataclass(frozen=True)
class Batch:
    """The objects of one batch, and what is wanted of each."""

    items: tuple[Item, ...]
    top_k: int = api.DEFAULT_TOP_K
    min_probability: float = 0.0


def read_batch(event: Mapping[str, Any]) -> Batch:
    """The batch that ItemBatcher made: ``{"Items": […], "BatchInput": {…}}``.

    ``BatchInput`` may hold ``bucket`` (of items that name none), ``top_k`` (1..MAX_TOP_K) and
    ``min_probability`` (0..1).

    Raises InvalidRequest: the event is no such batch. A single bad item raises nothing here.
    """
    items = event.get("Items")
    common = event.get("BatchInput", {})
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        raise InvalidRequest(f"'Items' should be a list of 1 to {MAX_ITEMS} objects.")
    if not isinstance(common, dict):
        raise InvalidRequest("'BatchInput' should be an object.")
    top_k = common.get("top_k", Batch.top_k)
    if type(top_k) is not int or not 1 <= top_k <= MAX_TOP_K:
        raise InvalidRequest(f"'top_k' should be a whole number from 1 to {MAX_TOP_K}.")
    least = common.get("min_probability", Batch.min_probability)
    if type(least) not in (int, float) or not 0 <= least <= 1:
        raise InvalidRequest("'min_probability' should be a number from 0 to 1.")
    return Batch(tuple(_read_item(item, common.get("bucket")) for item in items), top_k, least)


def classify(batch: Batch, fetch: Fetch, decode: Decode, forward: Classify) -> list[Outcome]:
    """What became of each object of ``batch``, in order.

    fetch: an item -> its bytes; called by CHUNK threads at once. decode: bytes -> the tensor of
    one image, (3, size, size) float32. forward: n <= CHUNK of those -> (n, classes) float32.
    RequestError of the first two is the outcome of that object alone; whatever else is raised,
    and all that ``forward`` raises, ends the batch.

    Images that cannot be read leave no gap: those that can be fill every chunk but the last.
    """
    outcomes: dict[int, Outcome] = {}
    chunk: dict[int, Tensor] = {}

    def run() -> None:
        outcomes.update(zip(chunk, forward(list(chunk.values())), strict=True))
        chunk.clear()

    with ThreadPoolExecutor(CHUNK) as pool:
        for index, download in enumerate(_ahead(pool, fetch, batch.items)):
            try:
                chunk[index] = decode(download.result())
            except RequestError as error:
                outcomes[index] = error
            if len(chunk) == CHUNK:
                run()
    if chunk:
        run()
    return [outcomes[index] for index in range(len(batch.items))]


def results(
    batch: Batch, outcomes: Sequence[Outcome], labels: tuple[Label, ...], about: Result
) -> list[Result]:
    """A line of the results for each object of ``batch``; ``about`` is in every one of them."""

    def answer(outcome: Outcome) -> Result:
        if isinstance(outcome, RequestError):
            return {"error": gateway.describe(outcome)}
        best = top(outcome, labels, batch.top_k, batch.min_probability)
        return {"labels": api.labels_body(best)}

    return [
        {"bucket": item.bucket, "key": item.key} | about | answer(outcome)
        for item, outcome in zip(batch.items, outcomes, strict=True)
    ]


def _read_item(item: Any, bucket: Any) -> Item:
    if not isinstance(item, dict):
        return Item(bucket, None)
    return Item(item.get("Bucket") or bucket, item.get("Key"))


def _ahead(
    pool: ThreadPoolExecutor, fetch: Fetch, items: Sequence[Item]
) -> Iterator[Future[bytes]]:
    """The downloads of ``items``, in order, begun two chunks ahead of who asks for them.

    So the next chunk arrives while the network is busy with this one, and no more of the
    images than these two chunks are in memory at any time.
    """
    begun: deque[Future[bytes]] = deque()
    for item in items:
        begun.append(pool.submit(fetch, item))
        if len(begun) == 2 * CHUNK:
            yield begun.popleft()
    while begun:
        yield begun.popleft()
