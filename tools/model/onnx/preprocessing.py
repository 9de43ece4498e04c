"""The preprocessing of an imported network: as given, from the graph, or the usual one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from classifier.image.preprocessing import Preprocessing
from tools.errors import ToolError
from tools.model.catalogue import NETWORKS

if TYPE_CHECKING:  # it brings onnx, which not every environment has
    from tools.model.onnx.image_input import ImageInput

IMAGENET = NETWORKS["resnet-18"].input


@dataclass(frozen=True)
class Choices:
    """What the user gave. None: not given. like: the preprocessing of a network that is alike."""

    size: int | None = None
    resize: int | None = None
    fit: str | None = None
    color: str | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    like: Preprocessing | None = None

    @property
    def open_size(self) -> int | None:
        """The size of an image, pixels, for a graph that leaves it open."""
        return self.size or (self.like.size if self.like else None)


def resolve(choices: Choices, image: "ImageInput") -> tuple[Preprocessing, tuple[str, ...]]:
    """The preprocessing for a network with the input ``image``, and remarks on what was assumed.

    Raises ToolError: the choices contradict each other.
    """
    size = image.size
    base = choices.like or IMAGENET
    fit = choices.fit or ("crop" if choices.resize else base.fit)
    if fit == "squash" and choices.resize not in {None, size}:
        raise ToolError("--resize goes with --fit crop; leave one of them out")
    usual = round(size * base.resize / base.size) if base.fit == "crop" else size
    preprocessing = Preprocessing(
        size=size,
        resize=size if fit == "squash" else choices.resize or usual,
        fit=fit,
        color=choices.color or base.color,
        scale=base.scale if choices.scale is None else choices.scale,
        mean=choices.mean or base.mean,
        std=choices.std or base.std,
    )
    return preprocessing, tuple(_remarks(choices, preprocessing, image))


def _remarks(choices: Choices, result: Preprocessing, image: "ImageInput") -> list[str]:
    remarks = []
    if not image.open_size:
        remarks.append(f"size {result.size}: from the graph")
    elif choices.open_size is None:
        remarks.append(f"size {result.size}: assumed, the graph leaves it open (--size)")
    if choices.like is not None:
        return remarks
    if choices.fit is None and choices.resize is None:
        remarks.append(f"{result.fit}, short side to {result.resize}: assumed (--fit, --resize)")
    if choices.color is None:
        remarks.append(f"color {result.color}: assumed (--color)")
    if choices.scale is None:
        remarks.append(f"scale {result.scale:.6g}: assumed, pixels become 0..1 (--scale)")
    for name, value in (("mean", choices.mean), ("std", choices.std)):
        if value is None:
            numbers = ",".join(f"{number:g}" for number in getattr(result, name))
            remarks.append(f"{name} {numbers}: assumed, ImageNet's (--{name})")
    return remarks
