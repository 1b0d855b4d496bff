"""The page in a browser: what a person does with it, and what happens to them when servers change or go."""

import io
import re
import threading
import urllib.parse

import numpy as np
import PIL.Image
import pytest
from browser import chromium
from export.small_fields import small_field
from serving.conftest import Running
from serving.models import LIMITS

from gateway.conftest import ORIGINAL, embedded_routes
from keras_inr.export import export_model_base, retire_versions
from keras_inr.serving.server import Addresses
from keras_inr.serving.settings import settings_of_base

pytestmark = pytest.mark.slow

MOST_MS = 60_000


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def opened(browser):
    """opened(url) -> a page whose console says no error, or what the test expects there."""
    pages, said = [], []

    def open_page(url, **options):
        page = browser.new_page(**{"viewport": {"width": 900, "height": 600}, **options})
        page.set_default_timeout(MOST_MS)
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        pages.append(page)
        page.goto(url)
        return page

    open_page.said = said
    yield open_page
    for page in pages:
        page.close()
    assert not said


def shown(page, what):
    """Waits until the page shows that, loaded whole."""
    page.locator(f'body[data-shown="{what}"][data-loading="no"]').wait_for(state="attached")


def picture(page):
    """The pixels that the page shows."""
    png = page.locator("#view").screenshot()
    return np.asarray(PIL.Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def zoom(page):
    return float(page.locator("body").get_attribute("data-zoom"))


def press(page, key, times=1):
    for _ in range(times):
        page.keyboard.press(key)
        page.wait_for_timeout(100)
    page.wait_for_timeout(700)  # the animation
    page.locator('body[data-loading="no"]').wait_for(state="attached")


def test_it_shows_a_picture_whole_and_zooms_past_its_pixels(opened, embedded, fields):
    page = opened(f"{embedded.url}/")
    shown(page, "fox@2 value")
    assert page.title() == "fox - keras_inr"
    image = picture(page)
    height, width = image.shape[:2]
    side = min(width / 30, height / 20)
    drawn = [fields[name].render(round(20 * side), round(30 * side), between="field") for name in ("fox", "fox@1")]
    top, left = (height - drawn[0].shape[0]) // 2, (width - drawn[0].shape[1]) // 2
    found = image[top : top + drawn[0].shape[0], left : left + drawn[0].shape[1]]
    own, other = (np.abs(found - each.astype(int)).mean() for each in drawn)
    assert own < 8 < 30 < other
    assert zoom(page) == pytest.approx(side, rel=0.01)
    press(page, "+", 6)
    assert zoom(page) > 100
    close = picture(page)
    value = np.clip(np.asarray(fields["fox"](np.float32([[0, 0]])))[0], 0, 1) * 255
    np.testing.assert_allclose(close[height // 2, width // 2], value, atol=3)
    press(page, "0")
    assert zoom(page) == pytest.approx(side, rel=0.01)


def test_the_pointer_tells_values(opened, embedded, fields):
    page = opened(f"{embedded.url}/#picture=fox&show=gradient")
    shown(page, "fox@2 gradient")
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    readout = page.locator("#readout", has_text="value")
    readout.wait_for()
    text = readout.text_content()
    assert "pixel (15.0" in text
    assert "gradient" in text
    value = float(text.split("value ")[1].split(",")[0])
    assert value == pytest.approx(float(fields["fox"](np.float32([[0, 0]]))[0, 0]), abs=0.05)
    page.select_option("#picture", "hen")  # the pointer has not moved: it tells the value of what is there now
    shown(page, "hen@1 gradient")
    readout = page.locator("#readout", has_text=re.compile("value [-0-9.]+ "))
    readout.wait_for()
    x, y, value = (
        float(number) for number in re.findall(r"at \((.*), (.*)\) +value (.*?) ", readout.text_content())[0]
    )
    assert value == pytest.approx(float(fields["hen"](np.float32([[x, y]]))[0, 0]), abs=0.01)
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.locator("#readout", has_text="outside").wait_for()
    page.mouse.move(box["x"] + 2, 2)
    page.select_option("#picture", "fox")
    shown(page, "fox@2 gradient")
    assert page.locator("#readout").text_content() == "Move the pointer over the picture"


def test_the_divider_stands_between_two_layers(opened, embedded):
    page = opened(f"{embedded.url}/#picture=owl&show=value&beside=original")
    shown(page, "owl@1 value original")
    divider = page.locator("#divider")
    box = page.locator("#view").bounding_box()

    def is_original(image):
        height, width = image.shape[:2]
        side = min(width / 30, height / 20)
        left, top = (width - 30 * side) / 2, (height - 20 * side) / 2
        rows, columns = (np.arange(20) + 0.5) * side + top, (np.arange(30) + 0.5) * side + left
        found = image[rows.astype(int)][:, columns.astype(int)]
        return (np.abs(found - ORIGINAL) < 40).all(-1).mean(0) > 0.9

    half = is_original(picture(page))
    assert not half[:13].any()
    assert half[17:].all()
    handle = divider.bounding_box()
    page.mouse.move(handle["x"] + 12, handle["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 5, handle["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert is_original(picture(page))[1:].all()
    assert int(divider.get_attribute("aria-valuenow")) <= 1
    divider.focus()
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert divider.get_attribute("aria-valuenow") == "100"
    assert not is_original(picture(page))[:28].any()


def test_an_address_leads_to_the_same_view(opened, embedded):
    page = opened(f"{embedded.url}/#picture=owl&show=laplacian")
    shown(page, "owl@1 laplacian")
    press(page, "+", 3)
    press(page, "ArrowLeft", 2)
    address, before = page.url, zoom(page)
    assert "show=laplacian" in address
    again = opened(address)
    shown(again, "owl@1 laplacian")
    again.wait_for_timeout(500)
    assert zoom(again) == pytest.approx(before, rel=1e-3)
    assert np.abs(picture(again) - picture(page)).mean() < 2


@pytest.mark.parametrize(
    "view", ["x=15&y=10&w=1e-12", "x=15&y=10&w=1e-99", "x=15&y=10&w=1e-6", "x=1e99&y=-1e99&w=40", "x=0&y=0&w=1e99"]
)
def test_an_address_leads_no_further_than_the_wheel(opened, embedded, view):
    page = opened(f"{embedded.url}/#picture=fox&{view}")
    shown(page, "fox@2 value")
    deepest = 8 * 2**15  # pixels of the screen for one of the picture's 30: 2^15 in the finest level, eight for each
    assert 10 < zoom(page) <= deepest * (1 + 1e-6)
    if "e-" in view:
        assert zoom(page) == pytest.approx(deepest)
    told = {name: float(value) for name, value in urllib.parse.parse_qsl(page.url.split("#")[1]) if name in "xyw"}
    assert -0.5 * told["w"] <= told["x"] <= 30 + 0.5 * told["w"]
    assert -0.5 * told["w"] <= told["y"] <= 20 + 0.5 * told["w"]


def test_layers_and_versions_are_chosen(opened, embedded):
    page = opened(f"{embedded.url}/")
    shown(page, "fox@2 value")
    second = picture(page)
    page.select_option("#version", "1")
    shown(page, "fox@1 value")
    assert np.abs(picture(page) - second).mean() > 5
    press(page, "g")
    shown(page, "fox@1 gradient")
    page.select_option("#picture", "hen")
    shown(page, "hen@1 gradient")
    assert "laplacian" not in page.locator("#left option").evaluate_all("options => options.map((each) => each.value)")


def test_a_view_is_downloaded(opened, embedded, fields):
    page = opened(f"{embedded.url}/#picture=fox@1&version=1")
    shown(page, "fox@2 value")
    page.keyboard.press("d")
    page.fill("#saving-width", "90")
    with page.expect_download() as download:
        page.click("#saving-go")
    saved = np.asarray(PIL.Image.open(download.value.path()))
    np.testing.assert_allclose(saved.astype(int), fields["fox"].render(60, 90, between="field").astype(int), atol=1)
    assert download.value.suggested_filename == "fox-90x60.png"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(opened, embedded, scheme):
    page = opened(f"{embedded.url}/", viewport={"width": 360, "height": 640}, color_scheme=scheme)
    shown(page, "fox@2 value")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (int(ground.strip("rgb()").split(",")[0]) > 128) == (scheme == "light")
    assert page.locator("#view").bounding_box()["height"] > 250


def test_a_token_is_asked_for(opened, base):
    def routes(server):
        return embedded_routes(server, token="sesame")

    with Running(lambda: settings_of_base(base), token="sesame", routes=routes) as running:
        page = opened(f"{running.url}/")
        page.fill("#token", "wrong")
        page.click("#token-asked button")
        page.locator("#token-asked[open]").wait_for()
        page.fill("#token", "sesame")
        page.click("#token-asked button")
        shown(page, "fox@2 value")
        assert len(np.unique(picture(page).reshape(-1, 3), axis=0)) > 100
        page.close()
    opened.said.clear()  # of the requests without a token


def test_it_survives_a_new_version_and_a_restart(opened, tmp_path):
    base = tmp_path / "models"
    export_model_base(small_field("siren_256"), base, "fox", **LIMITS)
    first = Running(lambda: settings_of_base(base), routes=embedded_routes)
    with first:
        page = opened(f"{first.url}/")
        shown(page, "fox@1 value")
        press(page, "+", 2)
        view, before = zoom(page), picture(page)
        export_model_base(small_field("siren_256", seed=2), base, "fox", add_version=True, **LIMITS)
        shown(page, "fox@2 value")
        assert zoom(page) == pytest.approx(view, rel=1e-3)
        assert np.abs(picture(page) - before).mean() > 5
        press(page, "+", 1)
        port = first.server.rest_port
    page.locator("#message", has_text="does not answer").wait_for()
    press_while_away(page)
    again = Running(
        lambda: settings_of_base(base), addresses=Addresses(rest_port=port, grpc_port=0), routes=embedded_routes
    )
    with again:
        page.locator("#message", has_text="is back").wait_for()
        page.locator('body[data-loading="no"]').wait_for(state="attached")
        threading.Event().wait(1.0)
        height = picture(page).shape[0]
        assert len(np.unique(picture(page)[height // 4 : -height // 4].reshape(-1, 3), axis=0)) > 50
        page.close()
    opened.said.clear()  # of the requests that nobody answered


def test_it_follows_when_its_version_is_retired(opened, tmp_path):
    """The same weights again, as a new version: only its number tells it from the old one, whose tiles are gone."""
    base, field = tmp_path / "models", small_field("siren_256")
    export_model_base(field, base, "fox", **LIMITS)
    with Running(lambda: settings_of_base(base), routes=embedded_routes) as running:
        following, pinned = opened(f"{running.url}/"), opened(f"{running.url}/#picture=fox&version=1")
        for page in (following, pinned):
            shown(page, "fox@1 value")
        export_model_base(field, base, "fox", add_version=True, **LIMITS)
        following.wait_for_timeout(3000)  # a look at the versions: both of them are there
        assert following.locator("body").get_attribute("data-shown") == "fox@1 value"
        retire_versions(base, "fox", [1])
        for page in (following, pinned):
            shown(page, "fox@2 value")
            press(page, "+", 2)
            assert page.locator("#message").is_hidden() or "could not be drawn" not in page.text_content("#message")
            page.close()  # before the server goes, which it would ask again


def press_while_away(page):
    page.keyboard.press("-")
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(500)


def test_pictures_that_cannot_be_shown(opened, tmp_path):
    """A model base whose only model has no picture."""
    base = tmp_path / "models"
    export_model_base(small_field("siren_256", channels=2), base, "pair", **LIMITS)
    with Running(lambda: settings_of_base(base), routes=embedded_routes) as running:
        page = opened(f"{running.url}/")
        page.locator("#message", has_text="Nothing can be shown yet. pair: ").wait_for()
        page.close()
