"""Everything that can go wrong, and what a caller is told.

ClassifierError
├── StartupError              the environment cannot serve; one line in the log
│   ├── SettingsError         an environment variable is missing or wrong
│   └── BundleError           the model bundle is missing, damaged or contradicts itself
└── RequestError              one request or one image fails; the caller is told
    ├── InvalidRequest        400  invalid-request
    ├── UrlNotAllowed         403  url-not-allowed
    ├── NotFound              404  not-found
    ├── ImageTooLarge         413  image-too-large
    │   └── OutOfMemory       413  image-too-large
    ├── UnsupportedImageType  415  unsupported-image-type
    ├── UndecodableImage      422  undecodable-image
    ├── InternalError         500  internal-error
    ├── FetchFailed           502  fetch-failed
    ├── ModelUnavailable      503  model-unavailable
    └── FetchTimeout          504  fetch-timeout

``status`` is the HTTP status. ``code`` is the stable name that clients compare. ``title`` is the
same in words (RFC 9457). The message of a RequestError becomes its ``detail``. Callers read it: it
says what to change, and never holds an internal address, path or trace.
"""

from typing import Any, ClassVar


class ClassifierError(Exception):
    """Root of every error that this package raises on purpose."""


class StartupError(ClassifierError):
    """The execution environment cannot serve. The message names what to mend."""


class SettingsError(StartupError):
    """An environment variable is missing or wrong. The message opens with its name."""


class BundleError(StartupError):
    """A model bundle cannot be used. The message opens with the file that is at fault."""


class RequestError(ClassifierError):
    """One request, or one image of it, fails. The message is for the caller."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]


class InvalidRequest(RequestError):
    status, code, title = 400, "invalid-request", "The request is not valid"


class UrlNotAllowed(RequestError):
    status, code, title = 403, "url-not-allowed", "The address is not allowed"


class NotFound(RequestError):
    status, code, title = 404, "not-found", "There is nothing here"


class ImageTooLarge(RequestError):
    status, code, title = 413, "image-too-large", "The image is too large"


class OutOfMemory(ImageTooLarge):
    """Decoding takes more memory than there is. Once other images are done, there may be more."""

    def __init__(self) -> None:
        super().__init__("The image needs more memory than there is.")


class UnsupportedImageType(RequestError):
    status, code, title = 415, "unsupported-image-type", "The type is not supported"


class UndecodableImage(RequestError):
    status, code, title = 422, "undecodable-image", "The image cannot be decoded"


class InternalError(RequestError):
    status, code, title = 500, "internal-error", "The service failed"


class FetchFailed(RequestError):
    status, code, title = 502, "fetch-failed", "The image could not be fetched"


class ModelUnavailable(RequestError):
    status, code, title = 503, "model-unavailable", "The model is not available"


class FetchTimeout(RequestError):
    status, code, title = 504, "fetch-timeout", "The image took too long to fetch"


def describe(error: RequestError) -> dict[str, Any]:
    """The members of ``error``'s problem document (RFC 9457) that no request changes."""
    return {
        "type": f"urn:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "code": error.code,
    }
