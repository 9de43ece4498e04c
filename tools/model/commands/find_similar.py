"""`similar`: what looks alike in a folder of images, or in a batch's results."""

from pathlib import Path

import click

from tools.errors import ToolError
from tools.model.options import PATH
from tools.model.page import write_page
from tools.model.similar.embedded import Embedded, embed_folder, image_files, read_results
from tools.model.similar.page import render_page
from tools.model.similar.similar import find_similar
from tools.model.similar.table import FORMATS, print_lines, print_tables
from tools.model.terminal import progress
from tools.model.tiles import count_tiles
from tools.model.training.base_network import DEFAULT, open_base
from tools.model.training.cache import Cache, cache_file
from tools.model.training.features import Extractor
from tools.option_types import FiniteRange, OutputFile
from tools.project import ROOT

# So many images without an embedding are named.
_NAMES = 5


@click.command()
@click.argument("source", type=PATH)
@click.option(
    "--model",
    metavar="NAME|DIR",
    help="Of a folder: the network that makes the embeddings, one of `list` or a bundle's folder."
    f"  [default: {DEFAULT}]",
)
@click.option("--images", type=PATH, help="Of results: folder of the images, for the page.")
@click.option(
    "--query",
    "queries",
    multiple=True,
    help="Show the neighbours of this image alone, which is one of SOURCE; repeatable.",
)
@click.option("--neighbours", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option(
    "--min-similarity",
    "minimum",
    type=FiniteRange(0, 1),
    default=0.95,
    show_default=True,
    help="The cosine from which images are near-duplicates.",
)
@click.option(
    "--page", type=OutputFile(), help="Also write one HTML page of thumbnails into this file."
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def command(  # noqa: PLR0917  (click passes them by name)
    source: Path,
    model: str | None,
    images: Path | None,
    queries: tuple[str, ...],
    neighbours: int,
    minimum: float,
    page: Path | None,
    form: str,
) -> None:
    """Find what looks alike in SOURCE: near-duplicates, and the nearest neighbours of each image.

    SOURCE is a folder of images, whose embeddings are made here and kept in the user's cache
    folder; or a batch's results, a .jsonl file whose lines have embeddings.
    """
    embedded = _embedded(source, model, images)
    chosen = [embedded.index(name) for name in queries]
    with progress() as bar:
        task = bar.add_task("comparing", total=count_tiles(len(embedded.names)))
        similar = find_similar(embedded, neighbours, minimum, lambda: bar.advance(task))
    if form == "table":
        print_tables(similar, chosen or similar.closest(), is_query=bool(chosen))
    else:
        print_lines(similar, chosen or range(len(embedded.names)), form)
    if embedded.failures:
        names = "; ".join(embedded.failures[:_NAMES]) + (
            "; …" if embedded.failures[_NAMES:] else ""
        )
        click.echo(f"Left out: {len(embedded.failures)} ({names})", err=True)
    if page:
        html = render_page(similar, chosen or similar.closest(), source.name, is_query=bool(chosen))
        write_page(html, page)
        click.echo(f"{page} is the page, to be opened in a browser", err=form != "table")


def _embedded(source: Path, model: str | None, images: Path | None) -> Embedded:
    if source.is_dir():
        if images:
            raise ToolError("--images goes with results; a folder holds its images")
        files = image_files(source)
        bundle = open_base(model or DEFAULT, ROOT / "models", option="--model")
        with Cache(cache_file()) as cache, progress() as bar:
            task = bar.add_task("images", total=len(files))
            extractor = Extractor(bundle, cache, has_corners=False)
            return embed_folder(source, files, extractor, lambda: bar.advance(task))
    if not source.is_file():
        raise ToolError(f"{source}: no such folder or file")
    if model:
        raise ToolError("--model goes with a folder; results have their embeddings")
    return read_results(source, images)
