"""Writes what is made of openapi.yaml: ``/openapi.json``, the page ``/docs``, apigateway.yaml.

The first two are in ``src/web``; API Gateway imports the third. All are committed, so that a
deploy needs no step for them. A test fails when one of them differs from openapi.yaml.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt
from markupsafe import Markup

from tools.command import Command
from tools.docs import definition
from tools.project import ROOT

SOURCE = ROOT / "openapi.yaml"
FOLDER = ROOT / "src" / "web"
METHODS = ("get", "put", "post", "delete", "patch")  # OPTIONS is for browsers, not for readers.

Contract = dict[str, Any]

_SIMPLE = frozenset({"string", "integer", "number", "boolean"})  # Types that need no table.
_LIMITS: dict[str, Callable[[Any], str]] = {
    "enum": lambda values: "one of " + ", ".join(map(str, values)),
    "minimum": lambda number: f"at least {number}",
    "maximum": lambda number: f"at most {number}",
    "minItems": lambda number: "not empty" if number == 1 else f"at least {number} items",
    "maxItems": lambda number: f"at most {number} items",
    "minLength": lambda number: "not empty" if number == 1 else f"at least {number} characters",
    "maxLength": lambda number: f"at most {number} characters",
    "default": lambda value: f"{json.dumps(value)} where not given",
}


def read(source: Path = SOURCE) -> Contract:
    """The contract for callers: ``source`` without what only API Gateway reads."""
    contract: Contract = without_extensions(yaml.safe_load(source.read_text(encoding="utf-8")))
    # Relative to the document's own address: it holds behind any stage and domain.
    return contract | {"servers": [{"url": "."}]}


def without_extensions(node: Any) -> Any:
    """``node`` without the members of any mapping in it whose names begin with ``x-amazon-``."""
    if isinstance(node, dict):
        return {
            name: without_extensions(value)
            for name, value in node.items()
            if not str(name).startswith("x-amazon-")
        }
    return [without_extensions(each) for each in node] if isinstance(node, list) else node


def to_json(contract: Contract) -> str:
    """The text of ``/openapi.json``. Raises TypeError: a value has no form in JSON, as a date."""
    return json.dumps(contract, ensure_ascii=False, separators=(",", ":")) + "\n"


def to_html(contract: Contract) -> str:
    """The text of ``/docs``."""

    def resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            place: Any = contract
            for step in node["$ref"].removeprefix("#/").split("/"):
                place = place[step]
            node = place
        return node

    def examples(media: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if "example" in media:
            yield "", _shown(media["example"])
        for name, example in media.get("examples", {}).items():
            whole = resolved(example)
            yield whole.get("summary", name), _shown(whole["value"])

    def fields(schema: Mapping[str, Any]) -> list[tuple[str, Any, bool]]:
        """The name and schema of each field, and whether it is required; those of allOf first."""
        inherited = [each for part in schema.get("allOf", []) for each in fields(resolved(part))]
        required = schema.get("required", [])
        own = schema.get("properties", {}).items()
        return inherited + [(name, each, name in required) for name, each in own]

    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        keep_trailing_newline=True,
    )
    pages.filters |= {
        "examples": examples,
        "fields": fields,
        "limits": _limits,
        "prose": _prose,
        "reference": _reference,
        "resolved": resolved,
        "simple": lambda schema: schema.get("type") in _SIMPLE,
    }
    return pages.get_template("docs.html.jinja").render(
        contract=contract,
        operations=[
            (method.upper(), path, operations[method])
            for path, operations in contract["paths"].items()
            for method in METHODS
            if method in operations
        ],
        palette=_palette(),
    )


def _limits(schema: Mapping[str, Any]) -> list[str]:
    return [text(schema[name]) for name, text in _LIMITS.items() if name in schema]


def _reference(schema: Mapping[str, Any]) -> str:
    """The name of what ``schema`` refers to; empty: it is no reference."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _prose(text: object) -> Markup:
    """CommonMark as HTML; HTML in it is escaped. A missing description is empty."""
    return Markup(MarkdownIt("commonmark", {"html": False}).render(str(text)))  # noqa: S704


def _palette() -> Markup:
    """The colours of the front page: the beginning of its style."""
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    _, _, style = page.partition("<style>\n")
    return Markup(style.partition("* {")[0])  # noqa: S704


@click.command("scripts/contract.py", cls=Command, help=__doc__)
def main() -> None:
    contract = read()
    for name, text in {"openapi.json": to_json(contract), "docs.html": to_html(contract)}.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        click.echo(f"src/web/{name}: {len(text.encode()):,} bytes")
    definition.write()
    click.echo("apigateway.yaml and the binary types in template.yaml")
