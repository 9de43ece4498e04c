"""The front page and the reference, in a real browser before the running stack."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import colors
import golden_events
import images
import pytest
from api_stage import Stage
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from classifier.api import response
from classifier.errors import RequestError

CHROMIUM = os.environ.get("CLASSIFIER_TEST_BROWSER") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="CLASSIFIER_TEST_BROWSER names no Chromium, and none is on the PATH"
)

# Alone: it loads nothing, updates nothing, reports nothing.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

Open = Callable[..., Page]


@pytest.fixture
def stage(local_stack: str) -> Iterator[Stage]:
    stage = Stage(local_stack)
    stage.start()
    yield stage
    stage.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, stage: Stage) -> Iterator[Open]:
    """Opens the front page; after the test, all its requests must have gone to its own origin."""
    requested: list[str] = []
    errors: list[str] = []
    contexts = []

    def open_page(path: str = "", **options: Any) -> Page:
        context = browser.new_context(viewport=options.pop("viewport", DESKTOP), **options)
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                errors.append(message.text) if "Security Policy" in message.text else None
            ),
        )
        page.goto(stage.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors
    ours = (stage.origin, "blob:", "data:")
    assert [url for url in requested if not url.startswith(ours)] == []


@pytest.fixture
def page(open_page: Open) -> Page:
    return open_page()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images to pick: those of the golden events, a large one, and some that are none."""
    for name, data in golden_events.IMAGES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "it's cut off.jpg").write_bytes(golden_events.IMAGES["green.jpg"][:200])
    (tmp_path / "text.png").write_text("no image at all")
    (tmp_path / "large.png").write_bytes(
        images.encode(images.photograph(1900, 1400), "PNG", compress_level=0)
    )
    (tmp_path / "red.bmp").write_bytes(images.encode(images.plain((200, 30, 20)), "BMP"))
    (tmp_path / "notes.txt").write_text("no image either")
    return tmp_path


def pick(page: Page, *files: Path) -> Locator:
    """Choose ``files`` in the file dialogue; the run that it starts, once it has ended."""
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose images").click()
    chooser.value.set_files(files)
    return ended(page)


def link(page: Page, url: str) -> Locator:
    page.get_by_label("Address of an image").fill(url)
    page.get_by_role("button", name="Classify").click()
    return ended(page)


def ended(page: Page, index: int = 0) -> Locator:
    run = page.locator(".run").nth(index)
    expect(run).to_have_attribute("aria-busy", "false", timeout=20_000)
    return run


def shown(card: Locator) -> list[tuple[str, str]]:
    """The labels of a card and their shares, as text."""
    items = card.locator(".labels li")
    return [
        (item.locator("b").inner_text(), item.locator(".share").inner_text())
        for item in items.all()
    ]


def first(card: Locator) -> str:
    return shown(card)[0][0]


def in_shell(run: Locator, folder: Path) -> Any:
    """What the run's command answers when it is run where the images are."""
    command = run.locator("code").text_content()
    assert command
    done = subprocess.run(
        ["sh", "-c", command.replace("curl ", "curl -sS ")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


# ---- One image


def test_picked_image_is_shown_beside_its_labels(page: Page, folder: Path) -> None:
    expect(page.locator("#model")).to_have_text("colors, version 1")
    run = pick(page, folder / "red.png")

    expect(run.get_by_role("heading", level=2)).to_have_text("red.png")
    assert run.locator("img").evaluate("image => image.naturalWidth") == 60
    expected = colors.expected((200, 30, 20))
    ranked = sorted(expected, key=lambda name: -expected[name])
    assert [name for name, _ in shown(run)] == ranked
    assert shown(run)[0][1] == f"{expected['red'] * 100:.1f} %"
    assert shown(run)[2][1] == "< 0.1 %"

    bars = run.locator(".bar").all()
    widths = [bar.evaluate("bar => bar.firstChild.offsetWidth / bar.offsetWidth") for bar in bars]
    assert widths[0] == pytest.approx(expected["red"], abs=0.02)
    assert widths == sorted(widths, reverse=True)

    names = run.locator("dt").all_inner_texts()
    assert names == ["fetch", "decode", "inference", "total", "round trip"]
    assert all(text.endswith(" ms") for text in run.locator("dd").all_inner_texts())
    expect(run.get_by_text("cold start")).to_have_count(0)


def test_page_says_what_the_network_knows_and_offers_examples(open_page: Open) -> None:
    page = open_page()
    expect(page.locator("#model")).to_have_text("colors, version 1")
    expect(page.locator("#examples")).to_be_hidden()

    def describe(route: Route) -> None:
        health = route.fetch().json()
        health["model"]["description"] = "the 1000 classes of ImageNet"
        route.fulfill(json=health | {"licence": "Apache-2.0"})

    page.route("**/health", describe)
    page.reload()
    expect(page.locator("#model")).to_have_text(
        "colors, version 1. It knows the 1000 classes of ImageNet. Licence: Apache-2.0."
    )
    for name in ("a clock", "a digital clock", "an umbrella"):
        page.get_by_role("button", name=name, exact=True).click()
        run = page.get_by_role("article", name=name, exact=True)
        expect(run.locator(".labels li")).to_have_count(3)
        assert run.locator("img").evaluate("image => image.naturalWidth") == 480


def test_shown_command_gives_the_same_labels(page: Page, folder: Path) -> None:
    run = pick(page, folder / "green.jpg")
    assert in_shell(run, folder)["labels"][0]["label"] == first(run) == "green"

    run.get_by_role("button", name="Copy").click()
    expect(run.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == run.locator("code").text_content()


def test_dropped_image_is_classified(page: Page, folder: Path) -> None:
    drop(page, files=[folder / "blue.webp"])
    assert first(ended(page)) == "blue"


def test_dropped_link_is_classified(page: Page, images_at: str) -> None:
    drop(page, text=f"http://{images_at}/red.png")
    assert first(ended(page)) == "red"


def drop(page: Page, files: list[Path] | None = None, text: str = "") -> None:
    """Drag something from outside into the page, as the browser itself takes it, and let go."""
    items = [{"mimeType": "text/plain", "data": text}] if text else []
    data = {"items": items, "files": [str(file) for file in files or []], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for step in ("dragEnter", "dragOver", "drop"):
        where = {"type": step, "x": 300, "y": 300, "data": data}
        session.send("Input.dispatchDragEvent", where)
        if step == "dragOver":
            expect(page.locator("body")).to_have_class("dropping")
    expect(page.locator("body")).not_to_have_class("dropping")


def test_pasted_image_is_classified(page: Page) -> None:
    page.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(40, 40);
          const pen = canvas.getContext("2d");
          pen.fillStyle = "rgb(20, 180, 40)";
          pen.fillRect(0, 0, 40, 40);
          const item = new ClipboardItem({ "image/png": canvas.convertToBlob() });
          await navigator.clipboard.write([item]);
        }"""
    )
    page.keyboard.press("Control+V")
    run = ended(page)
    assert first(run) == "green"
    # It is in no file, so the command has one to name.
    with page.expect_download() as download:
        run.get_by_role("link", name="image.png").click()
    folder = Path(download.value.path()).parent
    download.value.save_as(folder / "image.png")
    assert in_shell(run, folder)["labels"][0]["label"] == "green"


def test_pasted_address_is_classified(page: Page, images_at: str) -> None:
    page.evaluate("url => navigator.clipboard.writeText(url)", f"http://{images_at}/blue.webp")
    page.keyboard.press("Control+V")
    assert first(ended(page)) == "blue"


def test_linked_image_is_fetched_by_the_service_only(
    page: Page, folder: Path, images_at: str
) -> None:
    url = f"http://{images_at}/red.png?name=it's"
    run = link(page, url.partition("?")[0])
    assert first(run) == "red"
    expect(run.locator("img")).to_have_count(0)
    expect(run.locator(".linked")).to_contain_text(f"http://{images_at}/red.png")
    assert in_shell(run, folder)["labels"][0]["label"] == "red"


def test_cold_start_is_shown(page: Page, folder: Path) -> None:
    def cold(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json=response.json() | {"cold_start": True})

    page.route("**/predict", cold)
    expect(pick(page, folder / "red.png").get_by_text("cold start")).to_be_visible()


# ---- Why


def explained(page: Page, *files: Path) -> Locator:
    run = pick(page, *files)
    run.get_by_role("switch", name="Why?").click()
    expect(run.get_by_role("switch")).to_have_attribute("aria-checked", "true")
    expect(run.locator(".map").first).to_be_visible()
    expect(run).to_have_attribute("aria-busy", "false")
    return run


@pytest.fixture
def halves(folder: Path) -> Path:
    """A wide image, red on the left and blue on the right."""
    image = images.plain((60, 60, 220), (120, 60))
    image.paste((220, 40, 40), (0, 0, 60, 60))
    (folder / "halves.png").write_bytes(images.encode(image, "PNG"))
    return folder / "halves.png"


def pixel(run: Locator, x: float, y: float) -> list[int]:
    """Red, green, blue and alpha of the map over the image, at fractions of its sides."""
    script = """(canvas, [x, y]) => [...canvas.getContext("2d").getImageData(
        Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data]"""
    values: list[int] = run.locator(".map").evaluate(script, [x, y])
    return values


def test_map_lies_over_the_image_where_the_evidence_is(page: Page, halves: Path) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url.rpartition("/")[2]))
    run = explained(page, halves)
    assert [line for line in requests if "predict" in line] == ["predict", "predict?explain=true"]
    canvas, image = run.locator(".map").bounding_box(), run.locator("img").bounding_box()
    assert canvas == pytest.approx(image)

    best = first(run)
    assert {best, shown(run)[1][0]} == {"red", "blue"}
    for name, high, low in (("red", 0.35, 0.65), ("blue", 0.65, 0.35)):
        run.get_by_role("button", name=name, exact=True).hover()
        expect(run.locator("figcaption")).to_contain_text(f"Evidence for {name}, most of it at the")
        # Yellow where there is evidence, dark blue where there is none: lighter is more.
        assert pixel(run, high, 0.5)[0] > 200 > pixel(run, low, 0.5)[0]
        assert pixel(run, high, 0.5)[2] < 120
        # Beyond the square in the middle the network saw nothing.
        assert pixel(run, 0.05, 0.5)[:3] == pixel(run, 0.95, 0.5)[:3] == [0, 0, 0]


def test_maps_are_shown_on_focus_and_tap(open_page: Open, halves: Path) -> None:
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    run = explained(page, halves)
    names = [name for name, _ in shown(run)]
    for name in (names[1], names[0]):
        run.get_by_role("button", name=name, exact=True).tap()
        expect(run.locator(".shown b")).to_have_text(name)
        assert f"Evidence for {name}" in (run.locator(".map").get_attribute("aria-label") or "")
    run.get_by_role("switch").focus()
    for name in names:
        page.keyboard.press("Tab")
        expect(run.get_by_role("button", name=name, exact=True)).to_be_focused()
        expect(run.locator("figcaption")).to_contain_text(f"Evidence for {name}")


def test_switch_hides_the_map_and_the_next_images_follow_it(page: Page, halves: Path) -> None:
    run = explained(page, halves)
    assert in_shell(run, halves.parent)["labels"][0]["map"]["values"]
    again = pick(page, halves)
    expect(again.locator(".map")).to_be_visible()
    again.get_by_role("switch").click()
    expect(again.locator(".map")).to_have_count(0)
    expect(again.locator(".labels button")).to_have_count(0)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    again.get_by_role("switch").click()
    expect(again.locator(".map")).to_be_visible()
    assert requests == []  # the maps are there already
    again.get_by_role("switch").click()
    plain = pick(page, halves)
    expect(plain.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    expect(plain.locator(".map")).to_have_count(0)


def test_each_of_several_images_has_its_map(page: Page, folder: Path) -> None:
    run = explained(page, folder / "red.png", folder / "it's cut off.jpg", folder / "green.jpg")
    cards = run.locator(".card").all()
    expect(run.locator(".map")).to_have_count(2)
    for index, name in ((0, "red"), (2, "green")):
        expect(cards[index].locator("figcaption")).to_contain_text(f"Evidence for {name}")
    results = in_shell(run, folder)["results"]
    assert all("map" in label for label in results[0]["labels"])


def test_there_is_no_switch_where_there_is_nothing_to_show(
    open_page: Open, folder: Path, images_at: str
) -> None:
    page = open_page()
    expect(link(page, f"http://{images_at}/red.png").get_by_role("switch")).to_have_count(0)

    def without_maps(route: Route) -> None:
        health = route.fetch().json()
        route.fulfill(json={name: health[name] for name in health if name != "map"})

    page.route("**/health", without_maps)
    page.reload()
    expect(page.locator("#model")).to_have_class("ready")
    expect(pick(page, folder / "red.png").get_by_role("switch")).to_have_count(0)


def test_switch_that_is_turned_on_while_images_are_classified(page: Page, halves: Path) -> None:
    def slow(route: Route) -> None:
        page.wait_for_timeout(500)
        route.continue_()

    page.route("**/predict", slow)
    page.locator("#files").set_input_files(halves)
    page.get_by_role("switch").click()
    run = ended(page)
    expect(run.locator(".map")).to_be_visible()
    expect(run.locator(".labels button")).to_have_count(3)


def test_maps_that_fail_leave_the_labels(page: Page, halves: Path) -> None:
    run = pick(page, halves)
    page.route("**/predict?explain=true", lambda route: route.fulfill(status=504, body="<html>"))
    run.get_by_role("switch").click()
    expect(run.locator(".problem")).to_contain_text("took too long to answer")
    expect(run.locator(".labels li")).to_have_count(3)
    page.unroute("**/predict?explain=true")
    run.get_by_role("button", name="Try again").click()
    expect(run.locator(".map")).to_be_visible()


# ---- Several images


def test_several_images_are_one_request(page: Page, folder: Path) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(f"{request.method} {request.url}"))
    names = ["red.png", "it's cut off.jpg", "green.jpg", "blue.webp"]
    run = pick(page, *(folder / name for name in names))

    assert [line.rpartition("/")[2] for line in requests if line.startswith("POST")] == ["predict"]
    cards = run.locator(".card").all()
    assert [card.locator("h3").inner_text() for card in cards] == names
    assert [first(cards[index]) for index in (0, 2, 3)] == ["red", "green", "blue"]
    expect(cards[1]).to_contain_text("This image is damaged or not complete.")
    said = page.get_by_role("status")
    expect(said).to_contain_text("red.png: red, ")
    expect(said).to_contain_text("it's cut off.jpg: This image is damaged")

    results = in_shell(run, folder)["results"]
    assert [result.get("error", {}).get("code") for result in results] == [
        None,
        "undecodable-image",
        None,
        None,
    ]


def test_seventeen_images_are_two_requests(page: Page, folder: Path) -> None:
    for index in range(17):
        shutil.copy(folder / "red.png", folder / f"{index}.png")
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Choose images").click()
    chooser.value.set_files([folder / f"{index}.png" for index in range(17)])
    runs = [ended(page, 0), ended(page, 1)]
    assert sorted(run.locator(".labels").count() for run in runs) == [1, 16]


def test_several_pasted_addresses_are_classified(page: Page, folder: Path, images_at: str) -> None:
    urls = [f"http://{images_at}/{name}" for name in ("red.png", "nothing's-here", "blue.webp")]
    page.evaluate("text => navigator.clipboard.writeText(text)", "\n".join(urls))
    page.keyboard.press("Control+V")
    run = ended(page)
    cards = run.locator(".card").all()
    assert (first(cards[0]), first(cards[2])) == ("red", "blue")
    expect(cards[1]).to_contain_text("The image could not be fetched.")
    assert "error" in in_shell(run, folder)["results"][1]


# ---- Images that are not sent as they are


def test_large_image_is_sent_as_a_smaller_copy(page: Page, folder: Path) -> None:
    assert (folder / "large.png").stat().st_size > 6_000_000
    run = pick(page, folder / "large.png")
    assert len(shown(run)) == 3
    with page.expect_download() as download:
        run.get_by_role("link", name="large-copy.jpg").click()
    download.value.save_as(folder / "large-copy.jpg")
    data = (folder / "large-copy.jpg").read_bytes()
    assert len(data) <= 4 * 1024 * 1024
    assert min(images.pixels(data).shape[:2]) == 1024
    assert in_shell(run, folder)["labels"][0]["label"] == first(run)


def test_other_image_type_is_sent_as_jpeg(page: Page, folder: Path) -> None:
    run = pick(page, folder / "red.bmp")
    assert first(run) == "red"
    expect(run.get_by_role("link", name="red-copy.jpg")).to_be_visible()


def test_other_files_are_not_sent(page: Page, folder: Path) -> None:
    run = pick(page, folder / "notes.txt", folder / "red.png")
    cards = run.locator(".card").all()
    expect(cards[0]).to_contain_text("This is not an image that can be classified")
    assert first(cards[1]) == "red"
    alone = pick(page, folder / "notes.txt")
    expect(alone).to_contain_text("so it was not sent")


# ---- What goes wrong


def test_refused_image_shows_the_problem(page: Page, folder: Path) -> None:
    run = pick(page, folder / "text.png")
    expect(run).to_contain_text("This is not an image that can be classified")
    expect(run).to_contain_text("Request ")


def test_refused_address_shows_the_problem(page: Page) -> None:
    sentence = "The service does not fetch images from this address."
    for url in ("https://images.example/a.jpg", "ftp://127.0.0.1/a.jpg", "s3://somebody/a.jpg"):
        expect(link(page, url)).to_contain_text(sentence)
        expect(page.get_by_role("status")).to_contain_text(sentence)


def test_missing_image_shows_the_problem(page: Page, images_at: str) -> None:
    run = link(page, f"http://{images_at}/nothing.jpg")
    expect(run).to_contain_text("The image could not be fetched.")
    expect(run).to_contain_text("answered with status 404")


def test_stopped_service_shows_the_problem(page: Page, stage: Stage, folder: Path) -> None:
    stage.stop()
    run = pick(page, folder / "red.png")
    expect(run).to_contain_text("The service does not answer. It may have been stopped")
    expect(page.locator("#model")).to_contain_text("The service does not answer.")
    stage.start()
    run.get_by_role("button", name="Try again").click()
    expect(run.locator(".labels li")).to_have_count(3)
    expect(run.locator(".problem")).to_have_count(0)
    expect(page.locator("#model")).to_have_text("colors, version 1")


def test_every_problem_is_shown_as_a_sentence(page: Page, folder: Path) -> None:
    for error in RequestError.__subclasses__():
        problem = response.problem(error("What to change."), "r-1")
        fake_response(page, status=error.status, headers=problem["headers"], body=problem["body"])
        note = pick(page, folder / "red.png").locator(".problem")
        sentence = note.locator("b").inner_text()
        assert sentence[0].isupper()
        assert len(sentence.split()) > 5
        assert error.code not in sentence
        expect(note).to_contain_text("What to change.")
        expect(note).to_contain_text("Request r-1")
        expect(page.get_by_role("status")).to_have_text(sentence)


def test_gateway_errors_are_shown_as_sentences(page: Page, folder: Path) -> None:
    for status, body, sentence in (
        (403, '{"message": "Forbidden"}', "The service does not let this page in without a key."),
        (413, '{"message": "Request Too Long"}', "This is more than the service takes at once."),
        (429, '{"message": "Too Many Requests"}', "Too many requests at once."),
        (504, "<html>", "The service took too long to answer."),
        (200, "<html>", "The service answered with status 200."),
        (418, "", "The service answered with status 418."),
    ):
        fake_response(page, status=status, body=body)
        files = [folder / "red.png", folder / "green.jpg"]
        expect(pick(page, *files)).to_contain_text(sentence)


def fake_response(page: Page, **response: Any) -> None:
    """Answer every request of ``page`` for a prediction with ``response``."""
    page.unroute("**/predict")
    page.route("**/predict", lambda route: route.fulfill(**response))


def test_page_asks_for_an_api_key_and_sends_it(page: Page, folder: Path) -> None:
    def gate(route: Route) -> None:
        if route.request.headers.get("x-api-key") == "opened":
            route.continue_()
        else:
            route.fulfill(status=403, json={"code": "access-denied", "detail": "A key, please."})

    page.route("**/predict", gate)
    run = pick(page, folder / "red.png")
    expect(run).to_contain_text("A key, please.")
    run.get_by_label("API key").fill("opened")
    run.get_by_role("button", name="Try again").click()
    expect(run.locator(".labels li")).to_have_count(3)
    command = run.locator("code").text_content()
    assert command
    assert '-H "X-Api-Key: $API_KEY"' in command
    assert "opened" not in command


# ---- For everybody


def test_page_works_with_the_keyboard_alone(page: Page, images_at: str) -> None:
    page.keyboard.press("Tab")
    expect(page.locator("#files")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type(f"http://{images_at}/green.jpg")
    page.keyboard.press("Enter")
    assert first(ended(page)) == "green"
    expect(page.get_by_role("status")).to_contain_text("green, ")
    expect(page.locator("#link")).to_be_focused()


def test_page_works_at_a_stage_without_a_slash(open_page: Open, folder: Path) -> None:
    page = open_page("?from=somewhere")
    page.goto(page.url.partition("/?")[0])
    assert first(pick(page, folder / "red.png")) == "red"
    page.get_by_role("link", name="API reference").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_page_without_javascript_offers_its_form_alone(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    expect(page.locator("noscript form")).to_be_visible()
    expect(page.get_by_text("Drop or paste images")).to_be_hidden()
    expect(page.get_by_text("Asking the service")).to_be_hidden()
    expect(page.get_by_role("link", name="API reference")).to_be_visible()


def test_page_has_no_horizontal_scrolling(page: Page, folder: Path, images_at: str) -> None:
    explained(page, folder / "red.png", folder / "it's cut off.jpg")
    link(page, f"http://{images_at}/{'long' * 100}")
    link(page, f"http://{images_at}/red.png")
    for path in ("", "docs"):
        if path:
            page.get_by_role("link", name="API reference").click()
            expect(page.get_by_role("heading", name="Data")).to_be_visible()
        for width in (320, 390, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_page_has_no_axe_violations(open_page: Open, folder: Path, images_at: str) -> None:
    page = open_page(reduced_motion="reduce")
    expect(page.locator("#model")).to_have_class("ready")
    assert violations(page) == []
    explained(page, folder / "red.png", folder / "it's cut off.jpg")
    pick(page, folder / "large.png")
    link(page, f"http://{images_at}/red.png")
    link(page, f"http://{images_at}/nothing")
    assert violations(page) == []
    page.get_by_role("link", name="API reference").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert violations(page) == []


def violations(page: Page) -> list[tuple[str, str]]:
    """The violations that axe reports, at either width, in light and in dark."""
    results = []
    for viewport in (DESKTOP, PHONE):
        page.set_viewport_size(viewport)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            results += Axe().run(page).response["violations"]
    return [(each["id"], node["html"]) for each in results for node in each["nodes"]]
