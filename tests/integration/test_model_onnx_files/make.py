"""Made the files beside it, with PyTorch 2.13.0 and onnxscript 0.7.2, which the tests do not need.

Small relatives of well-known networks, weights drawn from a seed, exported by PyTorch's two
exporters: the older (TorchScript) with opset 13 and any number of images, the newer with its own
opset and one image.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

HERE = Path(__file__).parent
SIZE, CLASSES = 32, 10


def conv(
    wide: int, width: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: Any = nn.ReLU
) -> nn.Sequential:
    layers = [
        nn.Conv2d(wide, width, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(width),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


def head(width: int, classes: int = CLASSES) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


class Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module, act: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut, self.act = body, shortcut, act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.body(x) + self.shortcut(x))


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width: int, act: Any = nn.ReLU, gate: Any = nn.Sigmoid) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, max(width // 4, 4), 1),
            act(),
            nn.Conv2d(max(width // 4, 4), width, 1),
            gate(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


def bottleneck(wide: int, width: int, stride: int, groups: int, *, gated: bool) -> Residual:
    """ResNet-50's block; grouped, that of ResNeXt and RegNet; gated, that of SE-ResNet."""
    inner = width // 2
    body = nn.Sequential(
        conv(wide, inner),
        conv(inner, inner, 3, stride, groups),
        conv(inner, width, act=None),
        *([Gate(width)] if gated else []),
    )
    return Residual(body, conv(wide, width, 1, stride, act=None), nn.ReLU())


def resnet(groups: int = 1, *, gated: bool = False) -> nn.Module:
    return nn.Sequential(
        conv(3, 8, 7, 2),
        nn.MaxPool2d(3, 2, 1),
        bottleneck(8, 16, 1, groups, gated=gated),
        bottleneck(16, 32, 2, groups, gated=gated),
        head(32),
    )


def vgg() -> nn.Module:
    return nn.Sequential(
        conv(3, 8, 3),
        nn.MaxPool2d(2),
        conv(8, 16, 3),
        nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(256, 24),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(24, CLASSES),
    )


class DenseLayer(nn.Module):
    def __init__(self, wide: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(wide), nn.ReLU(), conv(wide, 8), nn.Conv2d(8, 4, 3, 1, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], 1)


def densenet() -> nn.Module:
    return nn.Sequential(
        conv(3, 8, 3, 2),
        DenseLayer(8),
        DenseLayer(12),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 8, 1, bias=False),
        nn.AvgPool2d(2),
        DenseLayer(8),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        head(12),
    )


class Branches(nn.Module):
    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def inception() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.ReLU(),
        Branches(
            conv(8, 4),
            nn.Sequential(conv(8, 4), nn.Conv2d(4, 6, (1, 7), padding=(0, 3)), nn.ReLU()),
            nn.Sequential(conv(8, 4), nn.Conv2d(4, 6, (3, 1), padding=(1, 0)), nn.ReLU()),
            nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(8, 4)),
        ),
        Branches(nn.MaxPool2d(3, 2, ceil_mode=True), conv(20, 8, 3, 2)),
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        head(28),
    )


class Inverted(nn.Module):
    """MobileNet's block."""

    def __init__(
        self, wide: int, width: int, kernel: int, stride: int, act: object, gate: Any
    ) -> None:
        super().__init__()
        inner = wide * 3
        self.sums = stride == 1 and wide == width
        self.body = nn.Sequential(
            conv(wide, inner, act=act),
            conv(inner, inner, kernel, stride, inner, act=act),
            *([Gate(inner, *gate)] if gate else []),
            conv(inner, width, act=None),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.sums else self.body(x)


def mobilenet(act: object, gate: Any = None, kernel: int = 3) -> nn.Module:
    return nn.Sequential(
        conv(3, 8, 3, 2, act=act),
        Inverted(8, 8, kernel, 1, act, gate),
        Inverted(8, 12, kernel, 2, act, gate),
        conv(12, 24, act=act),
        head(24),
    )


class Shuffle(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        depthwise = conv(half, half, 3, 1, half, act=None)
        self.body = nn.Sequential(conv(half, half), depthwise, conv(half, half))

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, 1)
        x = torch.cat([first, self.body(second)], 1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def shufflenet() -> nn.Module:
    return nn.Sequential(conv(3, 16, 3, 2), Shuffle(16), Shuffle(16), head(16))


class ChannelNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.rest = nn.Sequential(
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
        )
        self.scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.scale * self.rest(self.depthwise(x).permute(0, 2, 3, 1))
        return x + y.permute(0, 3, 1, 2)


def convnext() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 4),
        ChannelNorm(8, eps=1e-6),
        ConvNeXtBlock(8),
        ChannelNorm(8, eps=1e-6),
        nn.Conv2d(8, 16, 2, 2),
        ConvNeXtBlock(16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.LayerNorm(16, eps=1e-6),
        nn.Linear(16, CLASSES),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "convnext": convnext,
    "densenet": densenet,
    "efficientnet": lambda: mobilenet(nn.SiLU, (nn.SiLU, nn.Sigmoid), 5),
    "inception": inception,
    "mobilenet-v2": lambda: mobilenet(nn.ReLU6),
    "mobilenet-v3": lambda: mobilenet(nn.Hardswish, (nn.ReLU, nn.Hardsigmoid), 5),
    "regnet": lambda: resnet(2, gated=True),
    "resnet": resnet,
    "resnext": lambda: resnet(4),
    "se-resnet": lambda: resnet(gated=True),
    "shufflenet": shufflenet,
    "vgg": vgg,
}


def trained(network: nn.Module) -> nn.Module:
    """``network`` with statistics of its own and outputs that differ from image to image."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    with torch.no_grad():
        images = torch.randn(16, 3, SIZE, SIZE)
        images += 2 * nn.functional.interpolate(torch.randn(16, 3, 4, 4), (SIZE, SIZE))
        network.train()(images)
        outputs = network.eval()(images)
        last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
        last.bias -= outputs.mean(0)
        factor = 2 / (outputs - outputs.mean(0)).std()
        last.weight *= factor
        last.bias *= factor
    return network


def main() -> None:
    warnings.simplefilter("ignore")
    for name, build in NETWORKS.items():
        torch.manual_seed(7)
        network = trained(build())
        names = {"input_names": ["image"], "output_names": ["classes"]}
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, SIZE, SIZE),),
            HERE / f"{name}-old.onnx",
            dynamo=False,
            opset_version=13,
            dynamic_axes={"image": {0: "images"}, "classes": {0: "images"}},
            **names,
        )
        program = torch.onnx.export(
            network, (torch.zeros(1, 3, SIZE, SIZE),), dynamo=True, verbose=False, **names
        )
        model = program.model_proto
        graph = model.graph
        for each in (model, graph, *graph.node, *graph.value_info, *graph.initializer):
            del each.metadata_props[:]  # stack traces of the machine that made it
        for value in (*graph.input, *graph.output):
            del value.metadata_props[:]
        onnx.save_model(model, HERE / f"{name}-new.onnx")


if __name__ == "__main__":
    main()
