"""Weights that an ONNX file keeps in files beside it."""

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from onnx import TensorProto

from tools.errors import ToolError


def read_external(path: Path, room: int, tensors: Iterable[TensorProto]) -> None:
    """Read the data of those ``tensors`` of the file ``path`` that lie outside it into them.

    room: how many bytes they may take together.

    Raises ToolError: a file is not in the folder of ``path`` or below it, too short, or too large.
    """
    for tensor in tensors:
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        fields = {entry.key: entry.value for entry in tensor.external_data}
        file = _inside(path, fields.get("location", ""))
        try:
            offset, length = int(fields.get("offset", 0)), int(fields.get("length", -1))
        except ValueError as error:
            raise ToolError(
                f"tensor {tensor.name!r}: its place in {file.name} is no number"
            ) from error
        data = _slice(file, offset, length, room)
        room -= len(data)
        tensor.raw_data = data
        del tensor.external_data[:]
        tensor.ClearField("data_location")


def _inside(path: Path, location: str) -> Path:
    """The file at ``location``, which must lie in the folder of ``path``, links followed."""
    folder = path.resolve().parent
    if (
        not location
        or "\0" in location
        or Path(location).is_absolute()
        or ".." in Path(location).parts
    ):
        raise ToolError(f"its data is in {location!r}, outside its folder; save it in one file")
    file = folder / location
    if not file.resolve().is_relative_to(folder):
        raise ToolError(f"its data is in {location!r}, outside its folder; save it in one file")
    if not file.is_file():
        raise ToolError(f"its data is in {location!r}, which is not there; copy it beside the file")
    return file


def _slice(file: Path, offset: int, length: int, room: int) -> bytes:
    size = file.stat().st_size
    length = size - offset if length < 0 else length
    if offset < 0 or length < 0 or offset + length > size:
        raise ToolError(f"its data in {file.name!r} is cut off; copy the file again")
    if length > room:
        raise ToolError(f"its data in {file.name!r} takes more than is imported")
    stream: BinaryIO
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)
