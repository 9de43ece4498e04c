"""float32 becomes int8."""

import signal
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from classifier.image.tensor import Tensor
from classifier.model.binding import convert
from classifier.model.bundle import Bundle
from classifier.model.files import read_arrays, read_symbol
from classifier.model.lean_mxnet import mx
from tools.errors import ToolError
from tools.model.grouped import grouped_convolutions
from tools.model.images import Image, tensors
from tools.model.layers import find_layers
from tools.model.mxnet_files import half_precision, save_arrays
from tools.model.new_bundle import NewBundle

# More calibration images than this take time and change nothing.
_MAX_CALIBRATION = 128
_SEED = 0
_OUTPUT = "_output"


def split(images: Sequence[Image]) -> tuple[list[Image], list[Image]]:
    """Images to calibrate with, at most half, and the rest to compare with; always the same.

    Raises ToolError: there are too few to do both.
    """
    if len(images) < 2:
        raise ToolError("one image is too few: some calibrate, and others judge the result")
    order = np.random.default_rng(_SEED).permutation(len(images))
    count = min(len(images) // 2, _MAX_CALIBRATION)
    shuffled = [images[index] for index in order]
    return shuffled[:count], shuffled[count:]


def quantize(
    bundle: Bundle,
    labels: bytes,
    images: Sequence[Image],
    *,
    method: str,
    advance: Callable[[], None],
) -> NewBundle:
    """The int8 bundle of ``bundle``.

    labels: its label file. method: "naive" takes each
    layer's smallest and largest value for its range; "entropy" cuts the range so that the
    distribution changes least. advance: called after each image that calibrated it.

    Raises ToolError: it is int8 already, MXNet cannot quantize it, or an image is broken.
    """
    manifest = bundle.manifest
    if manifest.precision != "float32":
        raise ToolError(f"{manifest.name}: is {manifest.precision} already")
    inputs = np.stack(list(tensors(images, manifest.input, advance)))
    try:
        symbol, params = _quantize(bundle, inputs, method)
    except mx.MXNetError as error:
        raise ToolError(f"{manifest.name}: MXNet cannot quantize it: {error}") from error
    layers = find_layers(symbol)
    return NewBundle.like(
        bundle,
        labels,
        version=f"{manifest.version}-int8",
        precision="int8",
        symbol=symbol,
        params=params,
        embedding=layers.embedding if manifest.output.embedding else "",
        features=layers.features if manifest.output.features else "",
    )


def _quantize(bundle: Bundle, inputs: Tensor, method: str) -> tuple[bytes, bytes]:
    """The int8 symbol and its parameters; inputs: (n, 3, size, size) float32.

    The embedding is not quantized, nor is the average before it: both stay float32 outputs of the
    symbol, under the name that the manifest gives. It costs nothing that can be measured.

    MXNet makes the weights int8 when it binds the network. Until then half precision suffices: the
    file is half as large.
    """
    from mxnet.contrib.quantization import quantize_model_mkldnn  # noqa: PLC0415  (see mx)

    embedding = bundle.manifest.output.embedding
    keys = {role: file.key for role, file in bundle.manifest.files.items()}
    symbol = read_symbol(bundle.symbol, keys["symbol"])
    arrays = convert(symbol, read_arrays(bundle.params, keys["params"]), bundle.manifest.input.name)
    arguments, auxiliary = (
        {name: array for (each, name), array in arrays.items() if each == kind}
        for kind in ("arg", "aux")
    )
    excluded = grouped_convolutions(symbol)
    if embedding:
        excluded.append(embedding.removesuffix(_OUTPUT))
    calibration = _calibration_data(bundle.manifest.input.name, inputs)
    try:
        with warnings.catch_warnings():
            # MXNet's entropy calibration uses what NumPy 1.25 deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            symbol, arguments, auxiliary = quantize_model_mkldnn(
                symbol,
                arguments,
                auxiliary,
                data_names=(bundle.manifest.input.name,),
                label_names=None,
                excluded_sym_names=excluded,
                calib_mode=method,
                calib_data=calibration,
                quantized_dtype="auto",
            )
    finally:
        calibration.close()
    named = {f"arg:{name}": array for name, array in arguments.items()}
    named |= {f"aux:{name}": array for name, array in auxiliary.items()}
    return symbol.tojson().encode(), save_arrays(half_precision(named))


def _calibration_data(name: str, inputs: Tensor) -> Any:
    """``inputs``, (n, 3, size, size), one by one; Ctrl-C takes effect between two of them.

    For every layer MXNet calls back into Python from C, and a KeyboardInterrupt that is raised
    there is printed and lost. ``close()`` restores the handler of SIGINT.
    """

    class Interruptible(mx.io.NDArrayIter):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__({name: inputs})
            self._is_interrupted = False
            self._handler = signal.getsignal(signal.SIGINT)

        def next(self) -> Any:
            if self._is_interrupted:
                raise KeyboardInterrupt
            signal.signal(signal.SIGINT, self._interrupt)
            try:
                return super().next()
            except StopIteration:
                self.close()
                raise

        def close(self) -> None:
            signal.signal(signal.SIGINT, self._handler)

        def _interrupt(self, *_: object) -> None:
            self._is_interrupted = True

    return Interruptible()
