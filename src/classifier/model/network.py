"""A bundle becomes a bound network, and tensors become probabilities."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np

from classifier.errors import BundleError
from classifier.image.preprocessing import Tensor
from classifier.model.activation import ACTIVATIONS
from classifier.model.binding import Arrays, Batch, Input, bind, convert, with_own_weights
from classifier.model.bundle import Bundle
from classifier.model.files import first_line, read_arrays, read_symbol
from classifier.model.labels import Label, Probabilities
from classifier.model.last_layer import Weights, last_weights
from classifier.model.layers import Outputs, Sizes, sizes, with_layers
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
    images in int8. On one thread float32 has no second one: it would save 3 to 5 % of the time.
    int8 saves 8 to 20 %.

    Embeddings and feature maps are outputs of further bindings, made when they are first asked for:
    60 ms and 27 MB for EfficientNet-Lite0, 77 MB for ResNet-18. Other images run as if there were
    none.
    """

    def __init__(
        self,
        symbols: tuple[Any, Any],
        arrays: Arrays,
        manifest: Manifest,
        labels: tuple[Label, ...],
        sizes: Sizes,
        *,
        threads: int,
    ) -> None:
        self.manifest = manifest
        self.labels = labels
        self.sizes = sizes
        self._plain, self._with_layers = symbols
        self._arrays = arrays
        self._batch = BATCH if threads > 1 or manifest.precision == "int8" else 1
        self._bound: dict[tuple[int, bool], Any] = {}
        self._module(1, has_layers=False)

    @classmethod
    def load(cls, bundle: Bundle, threads: int = 1) -> Self:
        """Bind the network of ``bundle`` and run it once, on zeros.

        The first run chooses every kernel and lays out every weight, so requests need not.

        Args:
            bundle: The network.
            threads: The engine's, as OMP_NUM_THREADS says.

        Raises:
            BundleError: the graph cannot be read, or lacks the input that the manifest names; a
                parameter is missing or has another shape; or the number of labels is not that of
                the outputs. The message names the file.
        """
        manifest, labels = bundle.manifest, bundle.labels
        files = {role: file.key for role, file in manifest.files.items()}
        symbol = read_symbol(bundle.symbol, files["symbol"])
        whole = with_layers(symbol, manifest.output, files["symbol"])
        arrays = read_arrays(bundle.params, files["params"])
        del (
            bundle
        )  # frees the parameters' file, 47 MB for ResNet-18, if the caller kept no reference
        size = manifest.input.size
        shapes = _check(whole, arrays, manifest.input.name, (BATCH, 3, size, size), files)
        network_sizes = sizes(shapes, manifest.output)
        classes = network_sizes.classes
        if classes != len(labels):
            raise BundleError(f"{files['labels']}: {len(labels)} labels for {classes} outputs")
        try:
            arrays = convert(symbol, arrays, manifest.input.name)
            model = cls((symbol, whole), arrays, manifest, labels, network_sizes, threads=threads)
            model.classify([np.zeros((3, size, size), np.float32)])
        except mx.MXNetError as error:
            raise BundleError(f"{files['symbol']}: {first_line(error)}") from error
        return model

    def classify(self, tensors: Sequence[Tensor]) -> Probabilities:
        """Run the network. Two threads must not call it at once.

        Args:
            tensors: At least one, each (3, size, size) float32.

        Returns:
            Probabilities, (n, classes) float32.
        """
        return self._run(tensors, has_layers=False).probabilities

    def classify_with_layers(self, tensors: Sequence[Tensor]) -> Outputs:
        """The same with embeddings and features, where the network has them."""
        return self._run(tensors, has_layers=True)

    @cached_property
    def last_weights(self) -> Weights:
        """Of the last layer, (classes, channels) float32, for class activation maps.

        Raises:
            BundleError: the last layer does not multiply averages of the features' channels.
        """
        weights = last_weights(self._plain, self._arrays)
        if weights is None or weights.shape != (self.sizes.classes, self.sizes.channels):
            key = self.manifest.files["symbol"].key
            raise BundleError(f"{key}: its last layer does not stand on its features")
        return weights

    def _run(self, tensors: Sequence[Tensor], *, has_layers: bool) -> Outputs:
        batches = _batches(tensors, self._batch)
        parts = [self._forward(batch, has_layers=has_layers) for batch in batches]
        outputs, *layers = (np.concatenate(part) for part in zip(*parts, strict=True))
        output = self.manifest.output
        if not output.probabilities:
            outputs = ACTIVATIONS[output.activation](outputs)
        embeddings = layers.pop(0) if layers and output.embedding else None
        return Outputs(
            probabilities=outputs,
            embeddings=None if embeddings is None else embeddings.reshape(len(tensors), -1),
            features=layers.pop(0) if layers else None,
        )

    def _forward(self, tensors: Tensor, *, has_layers: bool) -> list[Tensor]:
        """The outputs for ``tensors``, (n, 3, size, size) float32; n is 1 or a batch."""
        module = self._module(len(tensors), has_layers=has_layers)
        module.forward(Batch((Input(tensors),)), is_train=False)
        return [output.asnumpy() for output in module.get_outputs()]

    def _module(self, count: int, *, has_layers: bool) -> Any:
        """The binding to ``count`` images; made when it is first used."""
        module = self._bound.get((count, has_layers))
        if module is None:
            preprocessing = self.manifest.input
            shape = (count, 3, preprocessing.size, preprocessing.size)
            symbol = self._with_layers if has_layers else self._plain
            arrays = with_own_weights(symbol, self._arrays) if self._bound else self._arrays
            module = bind(symbol, arrays, preprocessing.name, shape)
            self._bound[count, has_layers] = module
        return module


def _batches(tensors: Sequence[Tensor], size: int) -> Iterator[Tensor]:
    """``tensors``, ``size`` at a time, then, uncopied, one by one."""
    together = len(tensors) // size * size if size > 1 else 0
    for at in range(0, together, size):
        yield np.stack(tensors[at : at + size])
    for tensor in tensors[together:]:
        yield tensor[np.newaxis]


def _check(
    symbol: Any,
    arrays: Arrays,
    data: str,
    shape: tuple[int, ...],
    files: dict[str, str],
) -> list[tuple[int, ...]]:
    """Compare the graph with its parameters, and return the shapes of its outputs."""
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
        raise BundleError(f"{files['params']}: {first_line(error)}") from error
    for name, size in zip(symbol.list_auxiliary_states(), auxiliary, strict=True):
        if shapes[name] != size:
            raise BundleError(f"{files['params']}: {name!r} is {shapes[name]}, not {size}")
    if len(outputs[0]) != 2 or outputs[0][0] != shape[0]:
        raise BundleError(f"{files['symbol']}: its output is not one row of classes an image")
    return list(outputs)
