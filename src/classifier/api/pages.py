"""The pages that people read: the front page, the reference, and the contract as JSON."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parents[2] / "web"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/openapi.json": ("openapi.json", "application/json"),
}
PATHS = frozenset(_FILES)

_INLINE = r"<{0}>(.*?)</{0}>"
# Nothing comes from elsewhere, nothing goes elsewhere, no markup is made from text. Without
# JavaScript the page's form goes to the service itself.
_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True)
class Page:
    """A page as it is served; ``headers`` are those that pages have beyond other answers."""

    content_type: str
    body: str
    headers: Mapping[str, str]


@cache
def read(path: str) -> Page:
    """The page at ``path``, one of PATHS. Read once an environment, when it is first asked for."""
    name, content_type = _FILES[path]
    body = (_FOLDER / name).read_text(encoding="utf-8")
    headers = {
        "cache-control": "public, max-age=300",
        "content-security-policy": _policy(body),
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
    }
    return Page(content_type, body, headers)


def _policy(body: str) -> str:
    """The content security policy of a page: its own inline script and style run, and no other."""
    return _POLICY.format(script=_hashes(body, "script"), style=_hashes(body, "style"))


def _hashes(body: str, element: str) -> str:
    inline = re.findall(_INLINE.format(element), body, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline]
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
