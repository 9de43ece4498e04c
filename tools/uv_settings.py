"""pip's settings, for uv: it does not read them. scripts/setup.sh runs this file by itself.

``pip config list | python tools/uv_settings.py`` prints the variables that uv has for them, as
NAME=VALUE lines. What is set for uv already stays.
"""

import ast
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

# Weakest first: the files' sections, then PIP_* variables.
_SECTIONS = ("global", "install", ":env:")
_INDEX_VARIABLES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")


def pip_settings(lines: Iterable[str]) -> dict[str, str]:
    """What `pip install` goes by, by name, of the lines that `pip config list` prints."""
    sections: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in lines:
        key, _, value = line.strip().partition("=")
        section, _, name = key.rpartition(".")
        if section in sections:
            sections[section][name] = str(ast.literal_eval(value))
    return {name: value for each in sections.values() for name, value in each.items()}


def uv_settings(pip: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """The variables with which uv does as ``pip`` says, but those in ``environment``."""

    def words(name: str, separator: str = " ") -> str:
        return separator.join(_path(word) for word in pip.get(name, "").split())

    variables = {
        "UV_CONSTRAINT": words("constraint"),
        "UV_FIND_LINKS": words("find-links", ","),
        "UV_INSECURE_HOST": words("trusted-host"),
        "UV_HTTP_TIMEOUT": pip.get("timeout") or pip.get("default-timeout", ""),
        "ALL_PROXY": pip.get("proxy", ""),
        "SSL_CERT_FILE": _path(pip.get("cert", "")),
        "SSL_CLIENT_CERT": _path(pip.get("client-cert", "")),
    }
    if not any(environment.get(name) for name in _INDEX_VARIABLES):
        variables |= {
            "UV_DEFAULT_INDEX": pip.get("index-url", ""),
            "UV_EXTRA_INDEX_URL": words("extra-index-url"),
            # pip takes the best version of all indexes, uv by default the first index's.
            "UV_INDEX_STRATEGY": "unsafe-best-match" if "extra-index-url" in pip else "",
        }
    if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        variables["UV_OFFLINE"] = "true"  # uv has no variable for it; links to folders remain
    if not pip.get("cert"):
        variables["UV_SYSTEM_CERTS"] = "true"  # as pip does; uv brings certificates of its own
    return {name: value for name, value in variables.items() if value and name not in environment}


def _path(word: str) -> str:
    return str(Path(word).expanduser()) if word.startswith("~") else word


if __name__ == "__main__":
    for variable, setting in uv_settings(pip_settings(sys.stdin), os.environ).items():
        sys.stdout.write(f"{variable}={setting}\n")
