"""The pages: strict headers that fit them, small, nothing from elsewhere, true to the contract."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from classifier.api import pages
from classifier.api.event import HttpRequest
from classifier.api.routes import check_route
from classifier.errors import RequestError
from tools.docs import contract

HTML = ["/", "/docs"]


class Markup(HTMLParser):
    """Attributes of all elements, and the text of those that a policy must name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in self.inline:
            self.inline[self._inside].append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""


def policy(path: str) -> dict[str, list[str]]:
    text = pages.read(path).headers["content-security-policy"]
    directives = [directive.split() for directive in text.split(";")]
    assert len({name for name, *_ in directives}) == len(directives)
    return {name: sources for name, *sources in directives}


def test_pages_are_routes() -> None:
    for path in pages.PATHS:
        check_route(HttpRequest("GET", path, (), "", b"", ""))


@pytest.mark.parametrize("path", sorted(pages.PATHS))
def test_policy_allows_only_named_sources(path: str) -> None:
    directives = policy(path)
    assert directives["form-action"] == ["'self'"]
    for directive in ("default-src", "base-uri", "frame-ancestors"):
        assert directives[directive] == ["'none'"]
    assert directives["connect-src"] == ["'self'"]
    assert directives["img-src"] == ["blob:", "data:"]
    assert directives["require-trusted-types-for"] == ["'script'"]
    headers = pages.read(path).headers
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize("path", sorted(pages.PATHS))
def test_the_policy_names_the_inline_script_and_style_by_their_hashes(path: str) -> None:
    inline = Markup(pages.read(path).body).inline
    for directive, texts in (("script-src", inline["script"]), ("style-src", inline["style"])):
        hashes = [
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in texts
        ]
        assert policy(path)[directive] == (hashes or ["'none'"])


def test_the_front_page_has_one_script_and_the_reference_none() -> None:
    assert [len(Markup(pages.read(path).body).inline["script"]) for path in HTML] == [1, 0]


@pytest.mark.parametrize("path", HTML)
def test_page_loads_nothing_from_elsewhere(path: str) -> None:
    for tag, name, value in Markup(pages.read(path).body).attributes:
        assert name != "style", tag
        assert not name.startswith("on"), tag
        if name in ("src", "srcset", "action", "formaction") or (tag, name) == ("link", "href"):
            assert value
            is_own = (tag, value) == ("form", "predict")
            assert is_own or value.startswith("data:"), (tag, value)


def test_the_front_page_is_small() -> None:
    assert len(pages.read("/").body.encode()) < 38_000


def test_the_front_page_has_a_sentence_for_each_code() -> None:
    table = re.search(r"const SENTENCES = \{(.*?)\n\};", pages.read("/").body, re.DOTALL)
    assert table
    codes = re.findall(r'^ +"([a-z-]+)": ".*",$', table[1], re.MULTILINE)
    assert codes == [error.code for error in RequestError.__subclasses__()]


def test_the_contract_that_is_served_is_that_of_openapi_yaml() -> None:
    served = contract.read()
    hint = "run scripts/contract.py"
    assert pages.read("/openapi.json").body == contract.to_json(served), hint
    assert pages.read("/docs").body == contract.to_html(served), hint


def test_served_contract_has_no_gateway_extensions() -> None:
    tree = {"paths": [{"x-amazon-a": 1, "get": {"x-amazon-b": {}, "x-other": 2}}], "x": None}
    assert contract.without_extensions(tree) == {"paths": [{"get": {"x-other": 2}}], "x": None}
    assert "x-amazon" not in pages.read("/openapi.json").body


def test_html_in_a_description_is_escaped() -> None:
    served = contract.read()
    served["info"]["description"] = "<script>alert(1)</script> **bold** [a](javascript:b)"
    page = contract.to_html(served)
    assert "<script>" not in page
    assert "<strong>bold</strong>" in page
    assert 'href="javascript' not in page


def test_value_without_json_form_is_an_error() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        contract.to_json({"version": pages})
