"""What every architecture tells of itself."""

from collections.abc import Iterator
from typing import Any, Protocol

from classifier.image.preprocessing import Preprocessing
from tools.model.architectures.layer import Layer


class Architecture(Protocol):
    """A network's graph without its weights.

    name: of its model, such as "resnet-18". classes: number of outputs. width: length of the
    embedding. features: the symbol's output that the global average takes, (n, width, height,
    width) float32. torch_last: the last layer's name in a PyTorch state dict. preprocessing: what
    it was trained with.
    """

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def features(self) -> str: ...
    @property
    def torch_last(self) -> str: ...
    @property
    def preprocessing(self) -> Preprocessing: ...

    def layers(self) -> Iterator[Layer]:
        """Every convolution with its batch norm."""

    def symbol(self, *, softmax: bool = False) -> Any:
        """The graph, an ``mx.sym.Symbol``: "data", (n, 3, height, width), to (n, classes) logits.

        softmax: it ends in SoftmaxOutput, to be trained; then it gives probabilities.
        """
