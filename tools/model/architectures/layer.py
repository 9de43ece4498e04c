"""A convolution with its batch norm: what every network here is made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from classifier.model.lean_mxnet import mx
from tools.model.mxnet_files import Array

# A batch norm's four arrays: two are learned, two are statistics of the training images.
LEARNED = ("gamma", "beta")
STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Layer:
    """One convolution without bias, and its batch norm, under every name that they go by.

    conv, norm: in the graph. torch, gluon: the same two in a PyTorch state dict, and in what
    Gluon's ``save_parameters`` writes. shape: of the weight in a state dict, (out, in / groups,
    height, width). padding: pixels before and after, the same in both directions; after is
    before, or one more. epsilon: the batch norm's.
    """

    conv: str
    norm: str
    torch: tuple[str, str]
    shape: tuple[int, int, int, int]
    stride: int
    padding: tuple[int, int]
    groups: int = 1
    epsilon: float = 1e-5
    gluon: tuple[str, str] = ("", "")

    def fold(self, weight: Array) -> Array:
        """The graph's weight for a state dict's ``weight``, of ``shape``.

        MXNet's convolution pads both ends alike, and an operator of its own for the padding breaks
        the fusion: EfficientNet-Lite0 takes 17 ms with it and 11 without, 10.9 and 4.4 in int8.
        One pixel more after than before is exactly the larger padding on both sides, with a kernel
        that is one larger and begins with a row and a column of zeros.
        """
        if not self._is_uneven:
            return weight
        return np.pad(weight, ((0, 0), (0, 0), (1, 0), (1, 0)))

    def apply(self, x: Any) -> Any:
        """``x``, an ``mx.sym.Symbol``, convolved and normalised."""
        kernel = self.shape[2] + self._is_uneven
        x = mx.sym.Convolution(
            x,
            num_filter=self.shape[0],
            num_group=self.groups,
            kernel=(kernel, kernel),
            stride=(self.stride, self.stride),
            pad=(self.padding[1], self.padding[1]),
            no_bias=True,
            name=self.conv,
        )
        arrays = {
            member: mx.sym.Variable(f"{self.norm}_{member}") for member in (*LEARNED, *STATISTICS)
        }
        # Called moving_mean by the operator and running_mean by Gluon, whose names these are.
        return mx.sym.BatchNorm(
            x,
            gamma=arrays["gamma"],
            beta=arrays["beta"],
            moving_mean=arrays["running_mean"],
            moving_var=arrays["running_var"],
            eps=self.epsilon,
            fix_gamma=False,
            name=self.norm,
        )

    @property
    def _is_uneven(self) -> bool:
        return self.padding[0] != self.padding[1]


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME" padding of a side of ``size`` pixels: before, after.

    The output has ``ceil(size / stride)`` pixels; where the padding is odd, the end gets more.
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def classify(x: Any, classes: int, *, softmax: bool = False) -> Any:
    """Global average, the embedding ("flatten0_output"), and the last layer's logits.

    softmax: it ends in SoftmaxOutput, to be trained; then it gives probabilities.
    """
    x = mx.sym.Pooling(x, kernel=(1, 1), global_pool=True, pool_type="avg", name="pool1")
    x = mx.sym.Flatten(x, name="flatten0")
    x = mx.sym.FullyConnected(x, num_hidden=classes, name="dense0")
    return mx.sym.SoftmaxOutput(x, name="softmax") if softmax else x


EMBEDDING = "flatten0_output"
