"""Where the windows of a convolution or a pooling lie."""

from dataclasses import dataclass

from tools.model.onnx.call import Call
from tools.model.onnx.errors import UnsupportedError
from tools.model.onnx.graph import Shape


@dataclass(frozen=True)
class Window:
    """Sizes by axis of the image. begins, ends: the padding."""

    inputs: Shape
    kernel: Shape
    strides: Shape
    dilations: Shape
    begins: Shape
    ends: Shape

    def output(self, axis: int, begin: int, end: int, *, ceil: bool = False) -> int:
        """How many windows there are along ``axis`` with that padding."""
        span = self.dilations[axis] * (self.kernel[axis] - 1) + 1
        room = self.inputs[axis] + begin + end - span
        return (-(-room // self.strides[axis]) if ceil else room // self.strides[axis]) + 1


def read_window(call: Call, inputs: Shape, kernel: Shape) -> Window:
    """The windows of the node in ``call`` over an image of the size ``inputs``."""
    rank = len(inputs)
    strides = tuple(call.attribute("strides") or (1,) * rank)
    dilations = tuple(call.attribute("dilations") or (1,) * rank)
    pads = tuple(call.attribute("pads") or (0,) * (2 * rank))
    if any(len(each) != rank for each in (kernel, strides, dilations)) or len(pads) != 2 * rank:
        raise UnsupportedError("its kernel, strides, dilations and pads do not fit its input")
    if min(*strides, *dilations, *kernel) < 1 or min(pads) < 0:
        raise UnsupportedError("it has a negative padding, or a kernel or stride of zero")
    begins, ends = pads[:rank], pads[rank:]
    automatic = call.attribute("auto_pad", "NOTSET")
    if automatic in {"SAME_UPPER", "SAME_LOWER"}:
        spans = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
        total = [
            max((-(-size // stride) - 1) * stride + span - size, 0)
            for size, stride, span in zip(inputs, strides, spans, strict=True)
        ]
        less, more = tuple(n // 2 for n in total), tuple(n - n // 2 for n in total)
        begins, ends = (less, more) if automatic == "SAME_UPPER" else (more, less)
    elif automatic == "VALID":
        begins = ends = (0,) * rank
    return Window(inputs, kernel, strides, dilations, begins, ends)
