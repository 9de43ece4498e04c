"""Everything that can go wrong, and what a caller is told of it.

ClassifierError
├── StartupError              the environment cannot serve; told once, in the log
│   ├── SettingsError         an environment variable is missing or wrong
│   └── BundleError           the model bundle is missing, damaged or at odds with itself
└── RequestError              one request cannot be answered; told to its caller
    ├── InvalidRequest        400  invalid-request
    ├── UrlNotAllowed         403  url-not-allowed
    ├── NotFound              404  not-found
    ├── ImageTooLarge         413  image-too-large
    ├── UnsupportedImageType  415  unsupported-image-type
    ├── UndecodableImage      422  undecodable-image
    ├── InternalError         500  internal-error
    ├── FetchFailed           502  fetch-failed
    ├── ModelUnavailable      503  model-unavailable
    └── FetchTimeout          504  fetch-timeout

``status`` is the HTTP status, ``code`` the stable name that clients compare, ``title`` the
same in words (RFC 9457). The message of a RequestError is its ``detail``: it is shown to the
caller, so it says what to change and never holds an address, a path or a trace of the inside.
"""

from typing import ClassVar


class ClassifierError(Exception):
    """Root of every error that this package raises on purpose."""


class StartupError(ClassifierError):
    """The execution environment cannot serve. The message names what to mend."""


class SettingsError(StartupError):
    """An environment variable is missing or wrong; the message opens with its name."""


class BundleError(StartupError):
    """A model bundle cannot be used; the message opens with the file that is at fault."""


class RequestError(ClassifierError):
    """One request, or one image of it, cannot be answered. The message is for the caller."""

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
