"""The network's input: which of its axes are what, and how large an image is."""

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto

from classifier.image.tensor import Tensor
from tools.errors import ToolError
from tools.model.onnx.limits import MAX_BATCH

_DEFAULT_SIZE = 224


@dataclass(frozen=True)
class ImageInput:
    """The input of a model whose shape is fixed.

    batch: images at once. size: width and height, pixels. channels_last: NHWC, else NCHW.
    open_size: the graph takes images of any size, and ``size`` was chosen.
    """

    batch: int
    size: int
    channels_last: bool
    open_size: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        if self.channels_last:
            return (self.batch, self.size, self.size, 3)
        return (self.batch, 3, self.size, self.size)

    def arranged(self, images: Tensor) -> Tensor:
        """``images``, (n, 3, size, size), as the model takes them."""
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if self.channels_last else images


def fix_input(model: ModelProto, size: int | None) -> ImageInput:
    """Give the input of ``model`` a fixed shape, and return what it takes then.

    A batch or an image size that the graph leaves open becomes 1 and ``size``.

    Raises ToolError: the network does not take images, or is made for another size.
    """
    graph = model.graph
    constants = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    del graph.input[:]  # old files list constants too, which could then be replaced from outside
    graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 4)
    if len(inputs) != 1:
        names = ", ".join(repr(each.name) for each in inputs) or "none"
        raise ToolError(f"the network should have one input, the image; it has {names}")
    if len(graph.output) != 1:
        names = ", ".join(repr(each.name) for each in graph.output)
        raise ToolError(f"the network should have one output, the classes; it has {names}")
    image = _image_input(inputs[0], size)
    kind = graph.input[0].type.tensor_type
    for dim, number in zip(kind.shape.dim, image.shape, strict=True):
        dim.dim_value = number
    del graph.value_info[:]  # stale: it speaks of the shapes before
    graph.output[0].type.tensor_type.ClearField("shape")
    return image


def _image_input(value: ValueInfoProto, size: int | None) -> ImageInput:
    kind = value.type.tensor_type
    if kind.elem_type != TensorProto.FLOAT:
        name = TensorProto.DataType.Name(kind.elem_type).lower()
        raise ToolError(f"its input is {name}; export a network that takes float32")
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in kind.shape.dim]
    if len(dims) != 4:
        raise ToolError("its input should have four axes: images, channels, height, width")
    if dims[1] in {3, None} and dims[3] != 3:
        height, width = 2, 3
    elif dims[3] == 3:
        height, width = 1, 2
    else:
        raise ToolError(f"its input should be RGB or BGR; it has {dims[1]} channels")
    sizes = {dims[height], dims[width]} - {None}
    if len(sizes) > 1:
        raise ToolError(
            f"it takes images of {dims[width]} x {dims[height]}; only squares are imported"
        )
    own = next(iter(sizes), None)
    if own and size and own != size:
        raise ToolError(
            f"it takes images of {own} x {own}; leave --size out, or export it for {size}"
        )
    batch = dims[0] or 1
    if batch > MAX_BATCH:
        raise ToolError(f"it takes {batch} images at once; export it for one")
    return ImageInput(batch, own or size or _DEFAULT_SIZE, height == 1, own is None)
