"""Sources become bytes, tensors and probabilities: one outcome an image.

Downloads run side by side, because waiting costs nothing. Images are decoded one after the other,
because decoding costs memory: 40 megapixels take some 300 MB. With two vCPUs, which come with more
of it, two are decoded at a time. Tensors go through the network in small batches while the next
downloads run.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import batched

from classifier.errors import InternalError, OutOfMemory, RequestError
from classifier.fetch.sources import Fetcher, Source
from classifier.image.rectangle import seen_rectangle
from classifier.image.tensor import Limits, Tensor, to_tensor
from classifier.model.activation_map import Evidence
from classifier.model.labels import LabelOptions
from classifier.model.layers import Outputs
from classifier.model.network import BATCH, Model
from classifier.net.deadline import Deadline, elapsed_ms
from classifier.outcome import Outcome, Outcomes

# Downloads side by side.
DOWNLOADS = 16

logger = logging.getLogger(__name__)


class Pipeline:
    """Classifies images. One thread at a time may call it.

    Args:
        fetcher: Source to bytes.
        model: Tensors to probabilities; its manifest says how to make the tensors.
        limits: What an image may cost.
        threads: The function's vCPUs.
    """

    def __init__(self, fetcher: Fetcher, model: Model, limits: Limits, threads: int = 1) -> None:
        self._fetcher = fetcher
        self._model = model
        self._limits = limits
        self._threads = threads

    def run(
        self,
        sources: Sequence[Source],
        deadline: Deadline,
        options: Sequence[LabelOptions],
        *,
        isolates: bool = False,
    ) -> Outcomes:
        """Classify the images at ``sources``. One bad image never spoils the others.

        Args:
            sources: Any number.
            deadline: Of the downloads.
            options: What is asked for of each.
            isolates: Each image is decoded in a process of its own, which takes 0.3 s longer. An
                image that ends it is one error.
        """
        outcomes = Outcomes([Outcome(options=each) for each in options])
        images = self._fetch_ahead(sources, outcomes.images, deadline)
        decode = partial(self._decode, isolated_until=deadline if isolates else None)
        for batch in batched(self._decode_all(images, outcomes.images, decode), BATCH):
            self._classify(batch, outcomes)
        return outcomes

    def _decode_all(
        self,
        images: Iterator[bytes | None],
        outcomes: Sequence[Outcome],
        decode: Callable[[bytes, Outcome], Tensor | None],
    ) -> Iterator[tuple[Outcome, Tensor]]:
        """The tensor of each image that can be decoded, in order, and its outcome."""
        fetched = (
            (outcome, data)
            for outcome, data in zip(outcomes, images, strict=True)
            if data is not None
        )
        tensors: Iterator[tuple[Outcome, Tensor | None]]
        if self._threads == 1 or len(outcomes) == 1:
            tensors = ((outcome, decode(data, outcome)) for outcome, data in fetched)
        else:
            tensors = self._decode_side_by_side(fetched, decode)
        return ((outcome, tensor) for outcome, tensor in tensors if tensor is not None)

    def _decode_side_by_side(
        self,
        fetched: Iterator[tuple[Outcome, bytes]],
        decode: Callable[[bytes, Outcome], Tensor | None],
    ) -> Iterator[tuple[Outcome, Tensor | None]]:
        """Some images at a time, an image a vCPU, before the network takes all vCPUs.

        Batches take 5 % (float32) to 18 % (int8) less than with the next images decoded while the
        network runs: its threads wait for each other after each layer, and a decoder beside them
        makes one late.
        """
        with ThreadPoolExecutor(self._threads) as pool:
            for some in batched(fetched, BATCH):
                tensors = list(pool.map(lambda image: decode(image[1], image[0]), some))
                for (outcome, data), tensor in zip(some, tensors, strict=True):
                    if isinstance(outcome.error, OutOfMemory):  # another image may have had it
                        outcome.error = None
                        tensor = decode(data, outcome)  # noqa: PLW2901
                    yield outcome, tensor

    def _fetch_ahead(
        self, sources: Sequence[Source], outcomes: Sequence[Outcome], deadline: Deadline
    ) -> Iterator[bytes | None]:
        """The bytes of each source in order, None for a failed one.

        At most 2 * DOWNLOADS are downloaded ahead, so no more than these are in memory at any time.
        """
        if len(sources) == 1:
            yield self._fetch(sources[0], outcomes[0], deadline)
            return
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            downloads: deque[Future[bytes | None]] = deque()
            for source, outcome in zip(sources, outcomes, strict=True):
                downloads.append(pool.submit(self._fetch, source, outcome, deadline))
                if len(downloads) == 2 * DOWNLOADS:
                    yield downloads.popleft().result()
            while downloads:
                yield downloads.popleft().result()

    def _fetch(self, source: Source, outcome: Outcome, deadline: Deadline) -> bytes | None:
        started = time.monotonic()
        data = None
        with _keep_failure(outcome):
            data = self._fetcher.fetch(source, deadline)
            outcome.bytes = len(data)
        outcome.fetch_ms = elapsed_ms(started)
        return data

    def _decode(
        self, data: bytes, outcome: Outcome, isolated_until: Deadline | None
    ) -> Tensor | None:
        started = time.monotonic()
        tensor = None
        preprocessing = self._model.manifest.input
        with _keep_failure(outcome):
            if isolated_until is None:
                tensor = to_tensor(data, preprocessing, self._limits)
            else:
                # Deferred: only a second try of an upload needs it.
                from classifier.image.isolated import to_tensor_isolated  # noqa: PLC0415

                tensor = to_tensor_isolated(data, preprocessing, self._limits, isolated_until)
            if outcome.options.explain:
                outcome.rectangle = seen_rectangle(data, preprocessing)
        outcome.decode_ms = elapsed_ms(started)
        return tensor

    def _classify(self, batch: Sequence[tuple[Outcome, Tensor]], outcomes: Outcomes) -> None:
        started = time.monotonic()
        tensors = [tensor for _, tensor in batch]
        if any(outcome.options.needs_layers for outcome, _ in batch):
            outputs = self._model.classify_with_layers(tensors)
        else:
            outputs = Outputs(self._model.classify(tensors))
        for index, (outcome, _) in enumerate(batch):
            outcome.probabilities = outputs.probabilities[index]
            if outcome.options.embedding and outputs.embeddings is not None:
                outcome.embedding = outputs.embeddings[index]
            if outcome.rectangle is not None and outputs.features is not None:
                outcome.evidence = Evidence(
                    outputs.features[index], self._model.last_weights, outcome.rectangle
                )
        outcomes.inference_ms = round(outcomes.inference_ms + elapsed_ms(started), 1)


@contextmanager
def _keep_failure(outcome: Outcome) -> Iterator[None]:
    """Turn whatever one image does to the service into that image's error."""
    try:
        yield
    except RequestError as error:
        outcome.error = error
        # The frames of tracebacks would hold the image until the next garbage collection. The cause
        # itself stays: uploads read it.
        failure: BaseException | None = error
        while failure:
            failure.__traceback__ = None
            failure = failure.__cause__ or failure.__context__
    except MemoryError:
        # The memory limit holds for the whole process while an image is decoded, so the allocation
        # that fails may be that of another image's download.
        outcome.error = OutOfMemory()
    except Exception:
        logger.exception("unexpected")
        outcome.error = InternalError("The image made the service fail.")
