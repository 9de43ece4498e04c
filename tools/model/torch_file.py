"""PyTorch's .pth files, read without PyTorch, and without running what a pickle asks for.

``torch.save`` writes a zip with ``data.pkl`` and one entry of raw numbers for each storage; until
version 1.6 it wrote a stream of pickles with the numbers behind them. In both, the pickle calls
a handful of functions by name. Here these give plain data, and any other name is an error. So a
hostile file can be wrong, but it cannot run anything.
"""

import io
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tools.errors import ToolError
from tools.model.mxnet_files import Array
from tools.model.other_files import describe_other_zip

ZIP = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C
STREAM = pickle.dumps(_MAGIC, protocol=2)
# Where training scripts keep the state dict.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "ema")
_INSTEAD = "only tensors of plain numbers are taken: save model.float().state_dict() instead"

_TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
# What a pickle of tensors is made of. The memo's index is checked too: the unpickler makes room
# for all that lie below, so five bytes could ask for all memory there is.
# fmt: off
_OPCODES = frozenset((
    "PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "BINPUT", "LONG_BINPUT",
    "BINGET", "LONG_BINGET", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND",
    "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "NONE", "NEWTRUE",
    "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE",
    "SHORT_BINSTRING", "BINSTRING",
))
# fmt: on


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file: ``count`` of them, of a type that ``_TYPES`` names."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage; offset and strides count numbers, not bytes."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def read_pth(data: bytes) -> dict[str, Array]:
    """The tensors of a state_dict by name, float32, whatever they were.

    Raises ToolError: the file is broken, or holds or asks for anything but tensors.
    """
    try:
        return (_read_zip if data.startswith(ZIP) else _read_stream)(data)
    except ToolError:
        raise
    except Exception as error:
        # A crafted pickle can raise anything at all.
        raise ToolError(f"not a whole .pth file: {error}") from error


def _read_zip(data: bytes) -> dict[str, Array]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if (text := describe_other_zip(archive.namelist())) is not None:
            raise ToolError(text)
        # torch.save compresses nothing, so nothing can be larger than the file: no zip bomb is.
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ToolError("its zip is compressed, and torch.save does not do that")
        if sum(entry.file_size for entry in entries) > len(data):
            raise ToolError("its zip claims to hold more than the file is long")
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ToolError("its zip is not one that torch.save wrote: no data.pkl")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in archive.namelist():
            _refuse_big_endian(archive.read(f"{root}byteorder") == b"little")
        tree = _Reader(io.BytesIO(archive.read(pickles[0]))).load_checked()
        return _arrays(tree, lambda storage: archive.read(f"{root}data/{storage.key}"))


def _read_stream(data: bytes) -> dict[str, Array]:
    stream = io.BytesIO(data)
    if _Reader(stream).load_checked() != _MAGIC or _Reader(stream).load_checked() != 1001:
        raise ToolError("not a .pth file")
    _refuse_big_endian(_Reader(stream).load_checked()["little_endian"])
    reader = _Reader(stream)
    tree = reader.load_checked()
    numbers = {}
    for key in _Reader(stream).load_checked():
        (count,) = struct.unpack("<q", stream.read(8))
        if count != reader.storages[key].count:
            raise ToolError(f"storage {key} has {count} numbers, not {reader.storages[key].count}")
        numbers[key] = stream.read(count * np.dtype(reader.storages[key].dtype).itemsize)
    return _arrays(tree, lambda storage: numbers[storage.key])


def _refuse_big_endian(little: bool) -> None:
    if not little:
        raise ToolError("its numbers are big-endian")


def _classes(opcodes: Sequence[tuple[Any, Any, Any]]) -> str:
    """The first name in a pickle that no state dict has, which is mostly the network's class."""
    names = [tuple(value.split(" ", 1)) for code, value, _ in opcodes if code.name == "GLOBAL"]
    others = (name for name in names if name not in _FUNCTIONS and name[0] != "torch")
    return next((f": {module}.{name}" for module, name in others), "")


class _Reader(pickle.Unpickler):
    """Reads one pickle from a stream; the storages that it refers to are in ``storages``."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self._stream = stream
        self.storages: dict[str, Storage] = {}

    def load_checked(self) -> Any:
        start = self._stream.tell()
        opcodes = list(pickletools.genops(self._stream))
        for opcode, value, _ in opcodes:
            if opcode.name not in _OPCODES:
                raise ToolError(
                    f"it holds more than tensors ({opcode.name}), as a whole pickled model does"
                    f"{_classes(opcodes)}; {_INSTEAD}"
                )
            if opcode.name == "LONG_BINPUT" and (value or 0) > len(opcodes):
                raise ToolError("its pickle is not one that torch.save wrote")
        self._stream.seek(start)
        return self.load()

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        try:
            return _FUNCTIONS[module, name]
        except KeyError:
            raise ToolError(f"it asks for {module}.{name}; {_INSTEAD}") from None

    def persistent_load(self, pid: Any) -> Storage:
        kind, dtype, key, _device, count, *view = pid
        if kind != "storage" or any(view) or dtype not in _TYPES.values():
            raise ToolError(f"it holds more than tensors ({kind!r}); {_INSTEAD}")
        return self.storages.setdefault(key, Storage(key, dtype, count))


def _tensor(storage: Storage, offset: int, size: Any, stride: Any, *_rest: Any) -> Tensor:
    return Tensor(storage, offset, tuple(size), tuple(stride))


_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_rest: tensor,
}


def _arrays(tree: Any, read: Callable[[Storage], bytes]) -> dict[str, Array]:
    """The named tensors in ``tree``: a state_dict, or what keeps one under a usual name."""
    while isinstance(tree, Mapping):
        inner = (tree[name] for name in _WRAPPERS if isinstance(tree.get(name), Mapping))
        if (wrapped := next(inner, None)) is None:
            break
        tree = wrapped
    if not isinstance(tree, Mapping) or not tree:
        raise ToolError("it holds no state_dict")
    for name, value in tree.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            _refuse_other_key(tree)
            raise ToolError(f"it is no state_dict: {name!r} is no tensor")
    return {name: _array(value, read(value.storage)) for name, value in tree.items()}


def _refuse_other_key(tree: Mapping[Any, Any]) -> None:
    """Raises ToolError: a state dict stands in ``tree`` under a name that is not usual."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and any(isinstance(each, Tensor) for each in value.values()):
            raise ToolError(
                f"its state_dict is under {name!r}; save that alone:"
                f" torch.save(torch.load(FILE)[{name!r}], 'network.pth')"
            )


def _array(tensor: Tensor, data: bytes) -> Array:
    storage = tensor.storage
    numbers = (*tensor.size, *tensor.stride, tensor.offset, storage.count)
    if len(tensor.size) != len(tensor.stride) or any(type(n) is not int or n < 0 for n in numbers):
        raise ToolError("a tensor has an odd shape")
    if len(data) != storage.count * np.dtype(storage.dtype).itemsize:
        raise ToolError(f"storage {storage.key} is cut short")
    last = sum((n - 1) * step for n, step in zip(tensor.size, tensor.stride, strict=True))
    # A stride of 0 repeats numbers: a few bytes could claim to be a tensor of any size.
    if prod(tensor.size) > storage.count or tensor.offset + last >= max(storage.count, 1):
        raise ToolError("a tensor is larger than its storage")
    flat = np.frombuffer(data, storage.dtype)
    steps = [step * flat.itemsize for step in tensor.stride]
    view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.size, steps)
    return view.astype(np.float32)
