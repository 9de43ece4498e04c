"""A bundle becomes a bound network, and tensors become labels."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from classifier.errors import BundleError
from classifier.image.tensor import Tensor
from classifier.model.binding import Arrays, Batch, Input, bind
from classifier.model.bundle import Bundle
from classifier.model.labels import Label, Probabilities
from classifier.model.lean_mxnet import mx
from classifier.model.manifest import Manifest

# Images that go through the network at once, where there are so many. More gain little: with two
# threads ResNet-18 takes 3 % (float32) or 10 % (int8) less for each of sixteen, with one nothing.
BATCH = 4


class Model:
    """A network in memory, bound once for each size that it is run with: 1 and BATCH.

    A ``mx.mod.Module`` is bound to single images at start-up, and a second one, which has the
    same parameters, when the first batch comes. Neither is touched again. A Module for each
    number of images would keep 65 MB for each, its own copy of ResNet-18's weights in the
    layout that the convolutions like; one that is reshaped lays that copy out anew, which takes
    as long as two images in int8.
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
        """Bind the network of ``bundle`` and run it once, on nothing.

        Raises BundleError, which names the file: the graph cannot be read or has not the one
        input and output that the manifest speaks of, a parameter that it needs is missing or of
        another shape, or there are more or fewer labels than outputs.
        """
        manifest, labels = bundle.manifest, bundle.labels
        files = {role: file.key for role, file in manifest.files.items()}
        symbol = _read_symbol(bundle.symbol, files["symbol"])
        arrays = _read_arrays(bundle.params, files["params"])
        # The caller may have kept no bundle either: then the parameters' file is freed here.
        del bundle
        size = manifest.input.size
        classes = _check(symbol, arrays, manifest.input.name, (BATCH, 3, size, size), files)
        if classes != len(labels):
            raise BundleError(f"{files['labels']}: {len(labels)} labels for {classes} outputs")
        try:
            model = cls(symbol, arrays, manifest, labels)
            model.classify([np.zeros((3, size, size), np.float32)])
        except mx.MXNetError as error:
            raise BundleError(f"{files['symbol']}: {_first_line(error)}") from error
        return model

    def classify(self, tensors: Sequence[Tensor]) -> Probabilities:
        """Probabilities, (n, classes) float32, of n > 0 ``tensors``, (3, size, size) float32 each.

        Not to be called by two threads at once.
        """
        found = np.concatenate([self._forward(batch) for batch in _batches(tensors)])
        return found if self.manifest.probabilities else _softmax(found)

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
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Probabilities = odds / odds.sum(axis=1, keepdims=True)
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
    """``symbol`` with softmax where it was trained with SoftmaxOutput.

    That is softmax and a loss, which asks for labels: as many as there are images, so that it
    could not be reshaped to another number of them.
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
    """Hold the graph and its parameters together. Returns the number of classes."""
    if data not in symbol.list_inputs():
        raise BundleError(f"{files['symbol']}: it has no input called {data!r}")
    known = {name: array.shape for (_, name), array in arrays.items()}
    known[data] = shape
    wanted = dict.fromkeys(symbol.list_arguments(), "arg")
    wanted |= dict.fromkeys(symbol.list_auxiliary_states(), "aux")
    missing = sorted(
        name for name, kind in wanted.items() if name != data and (kind, name) not in arrays
    )
    if missing:
        rest = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise BundleError(f"{files['params']}: the network needs {missing[0]!r}{rest}")
    try:
        args = {name: size for name, size in known.items() if wanted.get(name) == "arg"}
        _, outputs, auxiliary = symbol.infer_shape(**args)
    except (mx.MXNetError, ValueError) as error:
        raise BundleError(f"{files['params']}: {_first_line(error)}") from error
    for name, size in zip(symbol.list_auxiliary_states(), auxiliary, strict=True):
        if known[name] != size:
            raise BundleError(f"{files['params']}: {name!r} is {known[name]}, not {size}")
    if len(outputs[0]) != 2 or outputs[0][0] != shape[0]:
        raise BundleError(f"{files['symbol']}: its output is not one row of classes an image")
    return int(outputs[0][1])


def _first_line(error: Exception) -> str:
    """What MXNet says before its stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if "Error in operator" in line or "Check failed" in line]
    return (said or lines or [type(error).__name__])[0].removeprefix("MXNetError: ")[:300]
