"""How an image becomes a network's input, as its bundle's manifest says."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a manifest is read while NumPy is still being imported
    import numpy as np
    import numpy.typing as npt

# (3, size, size).
type Tensor = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the network's input: NCHW, float32, (pixel * scale - mean) / std.

    Attributes:
        name: The symbol's input.
        size: Width and height of the input, pixels.
        resize: With ``fit`` "crop", the length of the short side before the centre is cut out,
            pixels.
        fit: "crop", or "squash": straight to ``size``, whatever the shape.
        color: "RGB" or "BGR", the order of the channels, and of ``mean`` and ``std``.
        scale: Factor of each pixel, 0..255.
        mean: Of each channel, after scaling.
        std: Standard deviation of each channel, after scaling.
    """

    name: str = "data"
    size: int = 224
    resize: int = 224
    fit: str = "squash"
    color: str = "RGB"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
