"""What a file is that a command does not take, and what to do with it."""

import io
import zipfile

from tools.errors import ToolError

_TO_ONNX = "export the network to ONNX, and import that"
_SIGNATURES = (
    (b"\x89HDF\r\n\x1a\n", f"an HDF5 file, as Keras writes; {_TO_ONNX} (tf2onnx does it)"),
    (
        b"\x12\x01\0\0\0\0\0\0",
        "MXNet's parameters; `scripts/model.py bundle` takes them, with their symbol",
    ),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (b"<", "a web page or XML, not a network; download the file itself"),
    (b"\x80", "a pickle that torch.save did not write; save model.state_dict() with torch.save"),
)
_TFLITE = b"TFL3"
# The first bytes of an ONNX model: its field 1, a small version, then one of its next fields.
_ONNX_FIELDS = b"\x12\x1a\x22\x28\x32\x3a\x42"


def describe_other_file(data: bytes) -> str | None:
    """What ``data``, which no importer of checkpoints takes, is; None: nothing that is known."""
    if not data:
        return "empty; download or save it again"
    if is_onnx(data):
        return "an ONNX network; give its file the ending .onnx, and import that"
    if data[4:8] == _TFLITE:
        return f"a TensorFlow Lite network; {_TO_ONNX} (tf2onnx does it)"
    if data.startswith(b"{") and b'"nodes"' in data:
        return "MXNet's symbol; `scripts/model.py bundle` takes it, with its parameters"
    return next((text for start, text in _SIGNATURES if data.startswith(start)), None)


def is_onnx(data: bytes) -> bool:
    """Whether ``data`` begins as an ONNX model does."""
    first, version, second = data[:3] if len(data) > 2 else b"\0\0\0"
    return first == 0x08 and version < 0x20 and second in _ONNX_FIELDS


def describe_other_zip(names: list[str]) -> str | None:
    """What a zip with these entries is, if no state dict; None: nothing that is known."""
    endings = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in endings:
        return (
            "it is TorchScript, a network with its code; save its numbers alone:"
            " torch.save(torch.jit.load(FILE).state_dict(), 'network.pth')"
        )
    if "model.weights.h5" in endings:
        return f"it is a Keras network; {_TO_ONNX} (model.export(…, format='onnx') does it)"
    if any(name.endswith("serialized_exported_program.json") for name in names):
        return f"it is a network of torch.export; {_TO_ONNX}"
    return None


def refuse_for_bundle(where: str, data: bytes) -> None:
    """Raises ToolError: ``data`` is no file of MXNet's, but one that `import` takes."""
    if is_onnx(data):
        raise ToolError(f"{where}: it is an ONNX network; `scripts/model.py import` takes it")
    if zipfile.is_zipfile(io.BytesIO(data)):
        raise ToolError(f"{where}: it is a zip, as PyTorch writes; try `scripts/model.py import`")
