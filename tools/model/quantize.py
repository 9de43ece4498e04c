"""float32 becomes int8, and held-out images tell what that costs and what it gains."""

import dataclasses
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from classifier.image.tensor import Tensor
from classifier.model.bundle import Bundle
from classifier.model.lean_mxnet import mx
from classifier.model.network import Model, Probabilities
from tools.errors import ToolError
from tools.model.draft import NewBundle
from tools.model.evaluate import Score, probabilities, score
from tools.model.grouped import grouped_convolutions
from tools.model.images import ImageFile, tensors
from tools.model.network import save_arrays

# More calibration images than this take time and tell no more.
MOST_CALIBRATION = 128
_TIMED_RUNS = 30
_SEED = 0


@dataclass(frozen=True)
class Side:
    """One network in the report. ms: one image through it, median; bytes: of its parameters."""

    score: Score | None
    ms: float
    bytes: int


@dataclass(frozen=True)
class Comparison:
    """float32 and int8 on the same images, which calibration has not seen.

    agreement: the fraction of them, 0..1, that both give the same first label.
    """

    calibration: str
    calibration_images: int
    held_out_images: int
    agreement: float
    float32: Side
    int8: Side

    def note(self) -> dict[str, Any]:
        """The comparison as the manifest keeps it."""
        members = dataclasses.asdict(self) | {"speedup": self.float32.ms / self.int8.ms}
        return _rounded(members)


def split(images: Sequence[ImageFile]) -> tuple[list[ImageFile], list[ImageFile]]:
    """Images to calibrate with, at most half, and the rest to judge by; always the same.

    Raises ToolError: there are too few to do both.
    """
    if len(images) < 2:
        raise ToolError("one image is too few: some calibrate, and others judge the result")
    order = np.random.default_rng(_SEED).permutation(len(images))
    count = min(len(images) // 2, MOST_CALIBRATION)
    shuffled = [images[index] for index in order]
    return shuffled[:count], shuffled[count:]


def quantize(
    bundle: Bundle,
    labels: bytes,
    images: Sequence[ImageFile],
    calibration: str,
    advance: Callable[[], None],
) -> NewBundle:
    """The int8 bundle of ``bundle``, whose label file holds ``labels``.

    calibration: "naive" takes each layer's smallest and largest value for its range; "entropy"
    cuts the range so that the distribution changes least.
    advance: called after each image that was looked at.

    Raises ToolError: it is int8 already, MXNet cannot quantize it, or an image is broken.
    """
    from mxnet.contrib.quantization import quantize_model_mkldnn  # noqa: PLC0415  (see mx)

    manifest = bundle.manifest
    if manifest.precision != "float32":
        raise ToolError(f"{manifest.name}: is {manifest.precision} already")
    symbol = mx.sym.load_json(bundle.symbol.decode())
    arrays = mx.nd.load_frombuffer(bundle.params)
    seen = np.stack(list(tensors(images, manifest.input, advance)))
    calibration_data = _Calibration(manifest.input.name, seen)
    try:
        with warnings.catch_warnings():
            # MXNet's entropy calibration leans on what NumPy 1.25 began to warn of.
            warnings.simplefilter("ignore", DeprecationWarning)
            quantized, arguments, auxiliary = quantize_model_mkldnn(
                symbol,
                *(
                    {n[4:]: a for n, a in arrays.items() if n.startswith(k)}
                    for k in ("arg:", "aux:")
                ),
                data_names=(manifest.input.name,),
                label_names=[n for n in symbol.list_arguments() if n.endswith("_label")] or None,
                calib_mode=calibration,
                calib_data=calibration_data,
                quantized_dtype="auto",
                excluded_sym_names=grouped_convolutions(symbol),
            )
    except mx.MXNetError as error:
        raise ToolError(f"{manifest.name}: MXNet cannot quantize it: {error}") from error
    finally:
        calibration_data.close()
    named = {f"arg:{name}": array for name, array in arguments.items()}
    named |= {f"aux:{name}": array for name, array in auxiliary.items()}
    return NewBundle(
        name=manifest.name,
        version=f"{manifest.version}-int8",
        preprocessing=manifest.input,
        probabilities=manifest.probabilities,
        precision="int8",
        source=manifest.source,
        symbol=quantized.tojson().encode(),
        params=save_arrays(named),
        labels=labels,
    )


def compare(
    bundle: Bundle,
    draft: NewBundle,
    calibration: tuple[str, int],
    images: Sequence[ImageFile],
    advance: Callable[[], None],
) -> Comparison:
    """Run ``bundle`` and the ``draft`` of its int8 twin on ``images``.

    calibration: how, and with how many images, the twin was made. advance: called twice for
    each image.
    """
    before, after = Model.load(bundle), draft.model()
    old = probabilities(before, images, advance)
    new = probabilities(after, images, advance)
    old_ms, new_ms = _times(before, after, images[0])
    mode, count = calibration
    return Comparison(
        calibration=mode,
        calibration_images=count,
        held_out_images=len(images),
        agreement=float(np.mean(old.argmax(axis=1) == new.argmax(axis=1))),
        float32=Side(_known_score(old, images), old_ms, len(bundle.params)),
        int8=Side(_known_score(new, images), new_ms, len(draft.params)),
    )


class _Calibration(mx.io.NDArrayIter):
    """Images, (n, 3, size, size), one by one; Ctrl-C takes effect between two of them.

    For every layer MXNet calls back into Python from C, and a KeyboardInterrupt that comes up
    there is printed and lost.
    """

    def __init__(self, name: str, images: Tensor) -> None:
        super().__init__({name: images})
        self._interrupted = False
        self._usual = signal.getsignal(signal.SIGINT)

    def next(self) -> Any:
        if self._interrupted:
            raise KeyboardInterrupt
        signal.signal(signal.SIGINT, self._note)
        try:
            return super().next()
        except StopIteration:
            self.close()
            raise

    def close(self) -> None:
        signal.signal(signal.SIGINT, self._usual)

    def _note(self, *_: object) -> None:
        self._interrupted = True


def _known_score(answers: Probabilities, images: Sequence[ImageFile]) -> Score | None:
    """Over the images whose class is known; None where none is."""
    known = [index for index, image in enumerate(images) if image.answer is not None]
    return score(answers[known], [images[index] for index in known]) if known else None


def _times(before: Model, after: Model, image: ImageFile) -> tuple[float, float]:
    """Milliseconds of one image through each, medians, taken in turns on the same machine."""
    tensor = image.tensor(before.manifest.input)
    times: tuple[list[float], list[float]] = [], []
    for _ in range(_TIMED_RUNS):
        for model, taken in zip((before, after), times, strict=True):
            started = time.perf_counter()
            model.classify([tensor])
            taken.append((time.perf_counter() - started) * 1000)
    return median(times[0]), median(times[1])


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items() if inner is not None}
    return round(value, 4) if isinstance(value, float) else value
