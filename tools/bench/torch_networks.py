"""The measured networks in PyTorch, written as functions of their state dict.

It needs only PyTorch and NumPy, so that another Python than ours can run it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_LITE_STRIDES = {1: 2, 3: 2, 5: 2, 11: 2}  # by block; the others have 1


def load(path: Path, threads: int, *, compiles: bool) -> Callable[[Any], Any]:
    """The network of the state dict in the file ``path`` (.npz).

    compiles: ``torch.compile``; else it runs eagerly. It takes tensors, (n, 3, 224, 224) float32,
    and returns probabilities, (n, classes) float32.
    """
    import torch  # noqa: PLC0415  (not every Python has it)

    torch.set_num_threads(threads)
    state = {name: torch.from_numpy(array) for name, array in np.load(path).items()}
    network = _resnet if "fc.weight" in state else _lite

    def forward(tensors: Any) -> Any:
        return network(state, tensors).softmax(1)

    run = torch.compile(forward) if compiles else forward

    def inference(tensors: Any) -> Any:
        with torch.inference_mode():
            return run(torch.from_numpy(tensors)).numpy()

    return inference


def _resnet(state: Mapping[str, Any], x: Any) -> Any:
    from torch.nn import functional  # noqa: PLC0415

    x = functional.relu_(_layer(state, x, "conv1", "bn1", 2))
    x = functional.max_pool2d(x, 3, stride=2, padding=1)
    for stage in range(1, 5):
        for block in range(2):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = functional.relu_(_layer(state, x, f"{name}.conv1", f"{name}.bn1", stride))
            y = _layer(state, y, f"{name}.conv2", f"{name}.bn2")
            if f"{name}.downsample.0.weight" in state:
                x = _layer(state, x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            x = functional.relu_(y + x)
    return functional.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


def _lite(state: Mapping[str, Any], x: Any) -> Any:
    from torch.nn import functional  # noqa: PLC0415

    def relu6_layer(x: Any, conv: str, norm: str, stride: int = 1, groups: int = 1) -> Any:
        return functional.relu6(_layer(state, x, conv, norm, stride, groups=groups, epsilon=1e-3))

    x = relu6_layer(x, "_conv_stem", "_bn0", 2)
    number = 0
    while f"_blocks.{number}._depthwise_conv.weight" in state:
        name = f"_blocks.{number}"
        y = x
        if f"{name}._expand_conv.weight" in state:
            y = relu6_layer(y, f"{name}._expand_conv", f"{name}._bn0")
        stride = _LITE_STRIDES.get(number, 1)
        y = relu6_layer(y, f"{name}._depthwise_conv", f"{name}._bn1", stride, y.shape[1])
        y = _layer(state, y, f"{name}._project_conv", f"{name}._bn2", epsilon=1e-3)
        x = x + y if x.shape == y.shape else y
        number += 1
    x = relu6_layer(x, "_conv_head", "_bn1")
    return functional.linear(x.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])


def _layer(
    state: Mapping[str, Any],
    x: Any,
    conv: str,
    norm: str,
    stride: int = 1,
    *,
    groups: int = 1,
    epsilon: float = 1e-5,
) -> Any:
    """A convolution and its batch norm. EfficientNet's padding is TensorFlow's "SAME"."""
    from torch.nn import functional  # noqa: PLC0415

    weight = state[f"{conv}.weight"]
    kernel = weight.shape[-1]
    padding = kernel // 2
    if conv.startswith("_") and stride == 2:
        before = (kernel - stride) // 2
        after = kernel - stride - before
        x, padding = functional.pad(x, (before, after, before, after)), 0
    x = functional.conv2d(x, weight, stride=stride, padding=padding, groups=groups)
    names = ("running_mean", "running_var", "weight", "bias")
    statistics = (state[f"{norm}.{name}"] for name in names)
    return functional.batch_norm(x, *statistics, eps=epsilon)
