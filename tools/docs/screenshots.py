"""Takes the README's images of the front page: of the service at URL, with IMAGE classified.

Chromium is the one that CLASSIFIER_TEST_BROWSER names, else that of the PATH.
"""

import os
import shutil
from pathlib import Path
from typing import Any, Literal

import click
from playwright.sync_api import Browser, sync_playwright

from tools.command import Command
from tools.errors import ToolError
from tools.project import ROOT

type Scheme = Literal["light", "dark"]

FOLDER = ROOT / "docs" / "images"
SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 880}},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


def take(browser: Browser, url: str, image: Path, screen: str, scheme: Scheme) -> Path:
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


@click.command("scripts/screenshots.py", cls=Command, help=__doc__)
@click.argument("url")
@click.argument(
    "image",
    default=FOLDER.parent / "digit.png",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
def main(url: str, image: Path) -> None:
    chromium = os.environ.get("CLASSIFIER_TEST_BROWSER") or shutil.which("chromium")
    if not chromium:
        raise ToolError("There is no Chromium: name its program with CLASSIFIER_TEST_BROWSER.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--no-first-run", "--disable-background-networking"],
        )
        for screen in SCREENS:
            for scheme in SCHEMES:
                click.echo(take(browser, url, image, screen, scheme))
        browser.close()
