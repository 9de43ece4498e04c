"""A bundle becomes a bound network, and tensors become probabilities."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from classifier.errors import BundleError
from classifier.image.tensor import Tensor
from classifier.model.binding import Arrays, Batch, Input, bind, convert
from classifier.model.bundle import Bundle
from classifier.model.labels import Label, Probabilities
from classifier.model.lean_mxnet import mx
from classifier.model.manifest import Manifest

# Images that go through the network at once. More gain little: with two threads ResNet-18 takes 3 %
# (float32) or 10 % (int8) less for each of sixteen; with one thread it gains nothing.
BATCH = 4


class Model:
    """A network in memory, bound once for each number of images that it runs with: 1 and BATCH.

    Start-up binds a ``mx.mod.Module`` to single images. The first batch binds a second one, with
    the same parameters. Neither is ever reshaped. Why two: each bound Module keeps a copy of the
    weights in the layout that convolutions need, 65 MB for ResNet-18, so one for every number of
    images costs too much memory. Reshaping writes that copy anew, which takes as long as two
    images in int8.
    """

    def __init__(
        self, symbol: Any, arrays: Arrays, manifest: Manifest, labels: tuple[Label, ...]
    ) -> None:
        self.manifest = manifest
        self.labels = labels
        self._symbol = symbol
        self._arrays = arrays
        self._bound = {1: self._bind(1)}

    @classmethod
    def load(cls, bundle: Bundle) -> Self:
        """Bind the network of ``bundle`` and run it once, on zeros.

        The first run chooses every kernel and lays out every weight, so requests need not.

        Raises:
            BundleError: the graph cannot be read, or lacks the input that the manifest names; a
                parameter is missing or has another shape; or the number of labels is not that of
                the outputs. The message names the file.
        """
        manifest, labels = bundle.manifest, bundle.labels
        files = {role: file.key for role, file in manifest.files.items()}
        symbol = _read_symbol(bundle.symbol, files["symbol"])
        arrays = _read_arrays(bundle.params, files["params"])
        del (
            bundle
        )  # frees the parameters' file, 47 MB for ResNet-18, if the caller kept no reference
        size = manifest.input.size
        classes = _check(symbol, arrays, manifest.input.name, (BATCH, 3, size, size), files)
        if classes != len(labels):
            raise BundleError(f"{files['labels']}: {len(labels)} labels for {classes} outputs")
        try:
            arrays = convert(symbol, arrays, manifest.input.name)
            model = cls(symbol, arrays, manifest, labels)
            model.classify([np.zeros((3, size, size), np.float32)])
        except mx.MXNetError as error:
            raise BundleError(f"{files['symbol']}: {_first_line(error)}") from error
        return model

    def classify(self, tensors: Sequence[Tensor]) -> Probabilities:
        """Run the network. Two threads must not call it at once.

        Args:
            tensors: At least one, each (3, size, size) float32.

        Returns:
            Probabilities, (n, classes) float32.
        """
        outputs = np.concatenate([self._forward(batch) for batch in _batches(tensors)])
        return outputs if self.manifest.output.probabilities else _softmax(outputs)

    def _forward(self, tensors: Tensor) -> Probabilities:
        """(n, classes) float32 of ``tensors``, (n, 3, size, size) float32; n is 1 or BATCH."""
        count = len(tensors)
        if count not in self._bound:
            self._bound[count] = self._bind(count)
        module = self._bound[count]
        module.forward(Batch((Input(tensors),)), is_train=False)
        outputs: Probabilities = module.get_outputs()[0].asnumpy()
        return outputs

    def _bind(self, count: int) -> Any:
        preprocessing = self.manifest.input
        shape = (count, 3, preprocessing.size, preprocessing.size)
        return bind(self._symbol, self._arrays, preprocessing.name, shape)


def _batches(tensors: Sequence[Tensor]) -> Iterator[Tensor]:
    """``tensors`` BATCH at a time, then, uncopied, one by one."""
    together = len(tensors) // BATCH * BATCH
    for at in range(0, together, BATCH):
        yield np.stack(tensors[at : at + BATCH])
    for tensor in tensors[together:]:
        yield tensor[np.newaxis]


def _softmax(logits: Probabilities) -> Probabilities:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def _read_symbol(data: bytes, file: str) -> Any:
    try:
        symbol = mx.sym.load_json(data.decode())
    except (mx.MXNetError, UnicodeDecodeError) as error:
        raise BundleError(f"{file}: not an MXNet symbol: {_first_line(error)}") from error
    if len(symbol.list_outputs()) != 1:
        raise BundleError(f"{file}: {len(symbol.list_outputs())} outputs, there should be one")
    return _without_loss(symbol) if b'"SoftmaxOutput"' in data else symbol


def _without_loss(symbol: Any) -> Any:
    """``symbol`` with softmax in place of SoftmaxOutput.

    SoftmaxOutput is softmax and a loss. The loss needs labels, one an image, which inference lacks.
    """
    graph = json.loads(symbol.tojson())
    for node in graph["nodes"]:
        if node["op"] == "SoftmaxOutput":
            node |= {"op": "softmax", "inputs": node["inputs"][:1], "attrs": {}}
    return mx.sym.load_json(json.dumps(graph))


def _read_arrays(data: bytes, file: str) -> Arrays:
    """The parameters by kind ("arg" or "aux") and name."""
    try:
        arrays = mx.nd.load_frombuffer(data)
    except mx.MXNetError as error:
        raise BundleError(f"{file}: not MXNet parameters: {_first_line(error)}") from error
    if not isinstance(arrays, dict) or not all(":" in name for name in arrays):
        raise BundleError(f"{file}: its arrays have no names of the form arg:name or aux:name")
    return {tuple(name.split(":", 1)): array for name, array in arrays.items()}


def _check(
    symbol: Any,
    arrays: Arrays,
    data: str,
    shape: tuple[int, ...],
    files: dict[str, str],
) -> int:
    """Compare the graph with its parameters, and return the number of classes."""
    if data not in symbol.list_inputs():
        raise BundleError(f"{files['symbol']}: it has no input called {data!r}")
    shapes = {name: array.shape for (_, name), array in arrays.items()}
    shapes[data] = shape
    kinds = dict.fromkeys(symbol.list_arguments(), "arg")
    kinds |= dict.fromkeys(symbol.list_auxiliary_states(), "aux")
    missing = sorted(
        name for name, kind in kinds.items() if name != data and (kind, name) not in arrays
    )
    if missing:
        rest = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise BundleError(f"{files['params']}: the network needs {missing[0]!r}{rest}")
    try:
        args = {name: size for name, size in shapes.items() if kinds.get(name) == "arg"}
        _, outputs, auxiliary = symbol.infer_shape(**args)
    except (mx.MXNetError, ValueError) as error:
        raise BundleError(f"{files['params']}: {_first_line(error)}") from error
    for name, size in zip(symbol.list_auxiliary_states(), auxiliary, strict=True):
        if shapes[name] != size:
            raise BundleError(f"{files['params']}: {name!r} is {shapes[name]}, not {size}")
    if len(outputs[0]) != 2 or outputs[0][0] != shape[0]:
        raise BundleError(f"{files['symbol']}: its output is not one row of classes an image")
    return int(outputs[0][1])


def _first_line(error: Exception) -> str:
    """What MXNet says before its stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if "Error in operator" in line or "Check failed" in line]
    return (reasons or lines or [type(error).__name__])[0].removeprefix("MXNetError: ")[:300]
