"""Made the files beside it, once, with PyTorch 2.13.0, which the tests themselves do not need.

Narrow ResNets with torchvision's names, random weights and random statistics; and, for two
images, the probabilities that PyTorch itself gives.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

HERE = Path(__file__).parent


class Block(nn.Module):
    def __init__(self, wide: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(wide, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Identity()
        if stride != 1 or wide != width:
            conv = nn.Conv2d(wide, width, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet(nn.Module):
    def __init__(self, blocks: tuple[int, ...], widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        wide = widths[0]
        for stage, (depth, width) in enumerate(zip(blocks, widths, strict=True)):
            layers = []
            for index in range(depth):
                layers.append(Block(wide, width, 2 if stage and not index else 1))
                wide = width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(wide, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def draw(blocks: tuple[int, ...], widths: tuple[int, ...], classes: int = 10) -> ResNet:
    """A network whose answers differ from class to class and from image to image."""
    model = ResNet(blocks, widths, classes).eval()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.weight, 0.5, 1.2)
            nn.init.uniform_(norm.bias, -0.2, 0.2)
            norm.running_mean.uniform_(-0.2, 0.2)
            norm.running_var.uniform_(0.7, 1.4)
    model.fc.weight.data *= 8
    return model


def save_answers(model: ResNet, name: str) -> None:
    """Two images, the second with five times the contrast, and what the model says to them."""
    images = torch.randn(2, 3, 32, 32)
    images[1] *= 5
    with torch.no_grad():
        probabilities = torch.softmax(model(images), 1)
    arrays = {"images": images.numpy(), "probabilities": probabilities.numpy()}
    np.savez_compressed(HERE / f"{name}.npz", **arrays)
    print(probabilities)


def main() -> None:
    torch.manual_seed(1)
    small = draw((2, 2, 2, 2), (4, 6, 8, 10))
    state = small.state_dict()
    torch.save(state, HERE / "resnet-18-zip.pth")
    torch.save(state, HERE / "resnet-18-stream.pth", _use_new_zipfile_serialization=False)
    save_file(state, HERE / "resnet-18.safetensors")
    save_answers(small, "resnet-18")

    deeper = draw((3, 4, 6, 3), (4, 4, 6, 6))
    # As training scripts keep them: among other things, parameters, from DataParallel.
    state = dict(nn.DataParallel(deeper).named_parameters()) | dict(
        nn.DataParallel(deeper).named_buffers()
    )
    torch.save({"epoch": 3, "state_dict": state}, HERE / "resnet-34-training.pth")
    save_answers(deeper, "resnet-34")

    torch.save(draw((1, 1, 1, 1), (2, 2, 2, 2)), HERE / "whole-model.pth")


if __name__ == "__main__":
    main()
