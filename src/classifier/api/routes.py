"""The routes of the service."""

from classifier.api.event import HttpRequest
from classifier.errors import NotFound

METHODS = {
    "/predict": ("GET", "POST"),
    "/huggingface": ("POST",),
    "/health": ("GET", "HEAD"),
    "/": ("GET", "HEAD"),
    "/docs": ("GET",),
    "/openapi.json": ("GET",),
}


def check_route(request: HttpRequest) -> None:
    """Check that there is a route for ``request``; every path has OPTIONS too.

    Raises:
        NotFound: there is none, or it has other methods.
    """
    methods = METHODS.get(request.path)
    if methods is None:
        raise NotFound("There is no such route. Images go to GET or POST /predict.")
    if request.method not in (*methods, "OPTIONS"):
        raise NotFound(f"{request.path} has no such method: it takes {' and '.join(methods)}.")
