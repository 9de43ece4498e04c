"""The synthetic ResNet-18 in PyTorch, run in the usual way: eagerly, in inference mode.

It needs only PyTorch and NumPy, so that another Python than ours can run it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def load(path: Path) -> Callable[[Any], Any]:
    """The network with the arrays of the file ``path`` (.npz), on one thread.

    It takes tensors, (n, 3, 224, 224) float32, and returns logits, (n, 1000) float32.
    """
    import torch  # noqa: PLC0415  (not every Python has it)
    from torch.nn import functional  # noqa: PLC0415

    torch.set_num_threads(1)
    weights = {name: torch.from_numpy(array) for name, array in np.load(path).items()}

    def norm(x: Any, place: str, number: int, stride: int) -> Any:
        weight = weights[f"{place}conv{number}_weight"]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        names = ("running_mean", "running_var", "gamma", "beta")
        statistics = (weights[f"{place}batchnorm{number}_{name}"] for name in names)
        return functional.batch_norm(x, *statistics, eps=1e-5)

    def block(x: Any, place: str, first: int, stride: int) -> Any:
        y = functional.relu_(norm(x, place, first, stride))
        y = norm(y, place, first + 1, 1)
        if stride == 2:
            x = norm(x, place, first + 2, stride)
        return functional.relu_(y + x)

    def forward(tensors: Any) -> Any:
        x = functional.relu_(norm(torch.from_numpy(tensors), "", 0, 2))
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for stage in range(1, 5):
            stride = 1 if stage == 1 else 2
            x = block(x, f"stage{stage}_", 0, stride)
            x = block(x, f"stage{stage}_", 2 if stage == 1 else 3, 1)
        x = functional.linear(x.mean((2, 3)), weights["dense0_weight"], weights["dense0_bias"])
        return x.numpy()

    inference: Callable[[Any], Any] = torch.inference_mode()(forward)
    return inference
