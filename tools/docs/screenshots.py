"""Takes the README's images of the front page: of the service at URL, with IMAGE classified.

With --maps, takes the figure of docs/embeddings-and-maps.md instead: of a service with
EfficientNet-Lite0.

Chromium is the one that CLASSIFIER_TEST_BROWSER names, else that of the PATH.
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from tools.command import Command
from tools.errors import ToolError
from tools.project import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

type Scheme = Literal["light", "dark"]

FOLDER = ROOT / "docs" / "images"
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 880}},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}
# Drawn by this project. ImageNet knows both.
DRAWING = FOLDER.parent / "clock-and-umbrella.png"
LABELS = ("analog clock", "umbrella")
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def take(browser: "Browser", url: str, image: Path, screen: str, scheme: Scheme) -> Path:
    """Write the page at ``url`` as ``screen`` shows it; returns the file."""
    context = browser.new_context(**SCREENS[screen], color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(url)
    page.locator("#files").set_input_files(image)
    page.locator(".run > footer").wait_for()
    page.locator(".run > footer").scroll_into_view_if_needed()
    path = FOLDER / f"page-{screen}-{scheme}.png"
    page.screenshot(path=path)
    context.close()
    return path


def take_maps(browser: "Browser", url: str) -> Path:
    """Write two maps of the drawing as the page at ``url`` shows them; returns the file."""
    page = browser.new_page(viewport={"width": 700, "height": 900}, reduced_motion="reduce")
    page.goto(url)
    page.locator("#files").set_input_files([DRAWING] * len(LABELS))
    page.get_by_role("switch").click()
    for number, label in enumerate(LABELS):
        card = page.locator(".card").nth(number)
        card.get_by_role("button", name=label, exact=True).click()
        card.locator("figcaption", has_text=label).wait_for()
    path = FOLDER / "maps.png"
    page.locator(".cards").screenshot(path=path)
    page.close()
    return path


@click.command("scripts/screenshots.py", cls=Command, help=__doc__)
@click.argument("url")
@click.argument(
    "image",
    default=FOLDER.parent / "digit.png",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--maps", "is_of_maps", is_flag=True, help="The figure of the maps instead.")
def main(url: str, image: Path, *, is_of_maps: bool) -> None:
    chromium = os.environ.get("CLASSIFIER_TEST_BROWSER") or shutil.which("chromium")
    if not chromium:
        raise ToolError("There is no Chromium: name its program with CLASSIFIER_TEST_BROWSER.")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (of the group "test")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--no-first-run", "--disable-background-networking"],
        )
        if is_of_maps:
            click.echo(take_maps(browser, url))
        for screen in () if is_of_maps else SCREENS:
            for scheme in SCHEMES:
                click.echo(take(browser, url, image, screen, scheme))
        browser.close()
