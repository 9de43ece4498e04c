"""The stack's parameters: what the template takes, those of samconfig.toml, and ``--set``."""

import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from tools.deploy.regions import is_region
from tools.errors import ToolError

type Values = dict[str, str]


def defaults(template: Path) -> dict[str, str | None]:
    """The default of each parameter of ``template``, which `sam build` left; None: it has none.

    Raises ToolError: nothing is built.
    """
    try:
        built = yaml_parse(template.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ToolError(f"{template} is not there: run `make build` first") from error
    parameters: Mapping[str, Mapping[str, Any]] = built["Parameters"]
    return {
        name: str(each["Default"]) if "Default" in each else None
        for name, each in parameters.items()
    }


@dataclass(frozen=True)
class Options:
    """What a deploy is told: the values of samconfig.toml, and those of ``--set``, which win.

    everywhere, by_region: of ``--set``; a region's own win.
    """

    config: Values = field(default_factory=dict)
    everywhere: Values = field(default_factory=dict)
    by_region: dict[str, Values] = field(default_factory=dict)

    def explicit(self, region: str) -> Values:
        """What ``--set`` says for ``region``."""
        return self.everywhere | self.by_region.get(region, {})

    def values(self, region: str) -> Values:
        """All that is said for ``region``."""
        return self.config | self.explicit(region)


def read_options(
    file: Path, config_env: str, settings: Iterable[str], known: Iterable[str]
) -> Options:
    """The parameters ``config_env`` of ``file``, and ``settings``: ``[REGION:]NAME=VALUE``.

    Raises ToolError: ``file`` has none of that name, or the template has no such parameter.
    """
    names = list(known)
    options = Options(_config(file, config_env))
    for name in options.config:
        if name not in names:
            raise ToolError(f"{file.name}, {config_env}: the template has no parameter {name}")
    for setting in settings:
        place, colon, rest = setting.partition(":")
        region = place if colon and is_region(place) else ""
        name, equals, value = (rest if region else setting).partition("=")
        if not equals or name not in names:
            raise ToolError(
                f"--set {setting}: should be NAME=VALUE or REGION:NAME=VALUE, NAME one of "
                + ", ".join(names)
            )
        (options.by_region.setdefault(region, {}) if region else options.everywhere)[name] = value
    return options


def _config(file: Path, name: str) -> Values:
    """``parameter_overrides`` of one: a list, a table, or a text, as the SAM CLI takes."""
    configs = tomllib.loads(file.read_text(encoding="utf-8"))
    if name not in configs:
        names = ", ".join(key for key, value in configs.items() if isinstance(value, dict))
        raise ToolError(f"--config-env {name}: {file.name} has {names}")
    overrides = configs[name].get("deploy", {}).get("parameters", {}).get("parameter_overrides", [])
    if isinstance(overrides, dict):
        return {key: str(value) for key, value in overrides.items()}
    pairs = shlex.split(overrides) if isinstance(overrides, str) else overrides
    values = {}
    for pair in pairs:
        key, equals, value = str(pair).partition("=")
        if not equals:
            raise ToolError(f"{file.name}, {name}: {pair!r} should be NAME=VALUE")
        values[key] = value
    return values
