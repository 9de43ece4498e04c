"""An image that may have ended the function is decoded in a process of its own.

A decoder is C code. Where one crashes, or is ended because it took too much memory or time, all
images of the call are lost with the process. Nothing then says which image it was. So a second try
pays for another process: 0.3 s, most of which is the import of NumPy and OpenCV.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np

from classifier.errors import (
    ImageTooLarge,
    InternalError,
    RequestError,
    UndecodableImage,
    UnsupportedImageType,
)
from classifier.image.preprocessing import Preprocessing
from classifier.image.tensor import Limits, Tensor, to_tensor
from classifier.net.deadline import Deadline

# The largest image takes 2 s on half a vCPU.
_LONGEST_S = 20.0
_REFUSED = 3  # the exit status with which standard output holds an error
_ERRORS = {error.code: error for error in (ImageTooLarge, UndecodableImage, UnsupportedImageType)}


def to_tensor_isolated(
    data: bytes, preprocessing: Preprocessing, limits: Limits, deadline: Deadline
) -> Tensor:
    """``to_tensor`` in another process, which ends by ``deadline``.

    Raises:
        ImageTooLarge, UnsupportedImageType, UndecodableImage: as ``to_tensor``.
        InternalError: the other process ended, or there was no time for it.
    """
    options = json.dumps([asdict(preprocessing), asdict(limits)]).encode()
    try:
        process = subprocess.run(  # noqa: S603  (this very module)
            [sys.executable, "-m", __name__],
            input=options + b"\n" + data,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=deadline.within(_LONGEST_S).remaining(),
            check=False,
        )
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise InternalError("There was no time to decode the image.") from error
    if process.returncode == _REFUSED:
        refusal = json.loads(process.stdout)
        raise _ERRORS[refusal["code"]](refusal["detail"])
    if process.returncode:
        raise InternalError("The image ended the process that decoded it.")
    shape = (3, preprocessing.size, preprocessing.size)
    return np.frombuffer(process.stdout, np.float32).reshape(shape)


def main() -> int:
    """Read the options and the image from standard input, and write the tensor or the error."""
    # Whatever a library prints belongs to the log.
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)
        table, limits = json.loads(sys.stdin.buffer.readline())
        table |= {name: tuple(value) for name, value in table.items() if isinstance(value, list)}
        try:
            tensor = to_tensor(sys.stdin.buffer.read(), Preprocessing(**table), Limits(**limits))
        except RequestError as error:
            output.write(json.dumps({"code": error.code, "detail": str(error)}).encode())
            return _REFUSED
        output.write(tensor.tobytes())
        return 0


if __name__ == "__main__":
    sys.exit(main())
