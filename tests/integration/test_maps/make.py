"""Made the file beside it, once, with PyTorch 2.13.0, which the tests themselves do not need.

    python make.py weights.npz

Grad-CAM (Selvaraju et al., 2017; https://arxiv.org/abs/1610.02391) of two images of noise, by
automatic differentiation. weights.npz holds the parameters of the synthetic ResNet-18, seed 0, by
their names in the bundle, without "arg:" and "aux:". What is stored is the weighted sum before the
ReLU: (images, classes, 7, 7).
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

FILE = Path(__file__).with_name("grad-cam.npz")
CLASSES = (0, 341, 999)


def features(x: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """The last feature map, (n, 512, 7, 7)."""

    def norm(x: Tensor, place: str, number: int, stride: int) -> Tensor:
        weight = weights[f"{place}conv{number}_weight"]
        x = functional.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
        names = ("running_mean", "running_var", "gamma", "beta")
        statistics = (weights[f"{place}batchnorm{number}_{name}"] for name in names)
        return functional.batch_norm(x, *statistics, eps=1e-5)

    x = functional.max_pool2d(torch.relu(norm(x, "", 0, 2)), 3, stride=2, padding=1)
    for stage in range(1, 5):
        for index in range(2):
            stride = 2 if stage > 1 and index == 0 else 1
            first = 0 if index == 0 else 2 if stage == 1 else 3
            place = f"stage{stage}_"
            y = norm(torch.relu(norm(x, place, first, stride)), place, first + 1, 1)
            x = torch.relu(y + (norm(x, place, first + 2, stride) if stride == 2 else x))
    return x


def grad_cam(images: np.ndarray, weights: dict[str, Tensor]) -> np.ndarray:
    maps = []
    for image in images:
        last = features(torch.from_numpy(image[None]), weights).detach().requires_grad_()
        pooled = functional.adaptive_avg_pool2d(last, 1).flatten(1)
        logits = functional.linear(pooled, weights["dense0_weight"], weights["dense0_bias"])
        of_image = []
        for number in CLASSES:
            (gradient,) = torch.autograd.grad(logits[0, number], last, retain_graph=True)
            importance = gradient.mean((2, 3), keepdim=True)
            of_image.append((importance * last).sum(1)[0].detach().numpy())
        maps.append(of_image)
    return np.array(maps)


def main() -> None:
    weights = {name: torch.from_numpy(array) for name, array in np.load(sys.argv[1]).items()}
    images = np.random.default_rng(5).standard_normal((2, 3, 224, 224), np.float32)
    np.savez_compressed(FILE, classes=np.array(CLASSES), maps=grad_cam(images, weights))


if __name__ == "__main__":
    main()
