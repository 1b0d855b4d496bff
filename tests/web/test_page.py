"""The exported page in headless Chromium: what it draws is what Keras says, and only what is seen is drawn."""

import re

import numpy as np
import pytest
from browser import GPU_OF_SOFTWARE, chromium
from export.small_fields import SMALL, small_field

from keras_inr.models import Siren
from keras_inr.web.export_web import export_web
from keras_inr.web.notebook import mimebundle
from web.pages import EVALUATE, raster_request, static_host

pytestmark = pytest.mark.slow

SIZE = (48, 64)
LEVEL = 1 / 255
ON_WEBGPU = ("siren", "multi_hash", "pixel_grid", "cell_grid_source", "wire", "mfn_gabor")
ON_THE_PROCESSOR = (*ON_WEBGPU, "cell_grid", "dense_grid", "hash_smooth", "relu_pe", "wire_real", "finer")
BELOW = "some/where"


@pytest.fixture(scope="module")
def browser():
    with chromium(*GPU_OF_SOFTWARE) as found:
        yield found


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """(address, folder) of a static host; pages lie below a path of their own."""
    folder = tmp_path_factory.mktemp("host")
    with static_host(folder) as address:
        yield address, folder


def exported(host, field):
    """The folder with a field's page, below the host's root."""
    path = host[1] / BELOW / f"{field.name}-{id(field)}"
    return path if path.exists() else export_web(field, path, "A <test>", {"psnr_db": 31.25})


@pytest.fixture
def opened(browser, host):
    """opened(field, query, **options): the page of a field, with a console that must stay without errors."""
    pages, problems = [], []

    def open_page(field, query="?backend=webgl", script=None, **options):
        path = exported(host, field)
        page = browser.new_page(**{"viewport": {"width": 640, "height": 480}, **options})
        pages.append(page)
        if script is not None:
            page.add_init_script(script)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"{host[0]}/{BELOW}/{path.name}/{query}")
        page.problems = problems
        return page

    yield open_page
    for page in pages:
        page.close()
    assert problems == []


def ready(page):
    page.evaluate("window.page.then(() => 0)")
    return page


def idle(page):
    """Waits until everything that is seen has been drawn; the keys of the tiles so far."""
    return page.evaluate("window.page.then(async ({ view }) => { await view.idle(); return view.evaluated; })")


def place(page):
    return page.evaluate("window.page.then(({ view }) => view.place)")


def values_of(page, field, scale, size, corner=(0, 0), way="field"):
    """Values in [0, 1] of a raster by the page, and by Keras."""
    request, box = raster_request(field, scale, *size, *corner)
    found = page.evaluate(EVALUATE, [{**request, "floats": True}, way])
    values = np.reshape(np.float32(found), (*size, 4))[..., : field.channels]
    if way == "field":
        return np.clip(values, 0, 1), np.clip(field.sample_grid(*size, box), 0, 1)
    return np.clip(values, 0, 1), field.render(*size, box, between=way) / 255


def assert_agrees(page, field):
    """At the picture's size, at half of it, and a part eight times as large."""
    for scale, size, corner in ((1, SIZE, (0, 0)), (0.5, (24, 32), (0, 0)), (8, (64, 96), (20, 11))):
        values, expected = values_of(page, field, scale, size, corner)
        assert np.abs(values - expected).max() <= LEVEL, scale


def assert_spline_agrees(page, field):
    """At some places, the picture's corners among them, eight times as large."""
    for corner in ((0, 0), (40, 30), (57, 41)):
        values, expected = values_of(page, field, 8, (56, 56), corner, "spline")
        assert np.abs(values - expected).max() <= 1.5 * LEVEL  # what Field.render gives is rounded


@pytest.mark.parametrize("name", SMALL)
def test_webgl_agrees_with_keras(opened, name):
    field = small_field(name, picture_size=SIZE)
    page = ready(opened(field))
    assert page.inner_text("#evaluator") == "drawn by WebGL 2"
    assert_agrees(page, field)


@pytest.mark.parametrize("name", ON_WEBGPU)
def test_webgpu_agrees_with_keras(opened, name):
    field = small_field(name, picture_size=SIZE)
    page = opened(field, "?backend=webgpu")
    if not page.evaluate("Promise.resolve(navigator.gpu?.requestAdapter()).then(Boolean)"):
        pytest.skip("this Chromium has no adapter for WebGPU")
    ready(page)
    assert page.inner_text("#evaluator") == "drawn by WebGPU"
    assert_agrees(page, field)
    assert_spline_agrees(page, field)


@pytest.mark.parametrize("name", ON_THE_PROCESSOR)
def test_the_processor_agrees_with_keras(opened, name):
    field = small_field(name, picture_size=SIZE)
    page = ready(opened(field, "?backend=cpu"))
    assert page.inner_text("#evaluator") == "drawn by the processor"
    assert_agrees(page, field)
    assert_spline_agrees(page, field)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_channels(opened, channels):
    """Grey, grey and alpha, RGBA: as values, and as the pixels of a canvas."""
    field = small_field("siren", picture_size=SIZE, channels=channels)
    page = ready(opened(field))
    assert_agrees(page, field)
    request, _ = raster_request(field, 1, *SIZE)
    pixels = np.reshape(page.evaluate(EVALUATE, [request, "field"]), (*SIZE, 4))
    rendered = field.render()
    expected = rendered if channels == 4 else np.repeat(rendered[..., :1], 3, axis=2)
    assert np.abs(pixels[..., : expected.shape[2]] - expected.astype(int)).max() <= 1
    assert channels == 4 or np.abs(pixels[..., 3] - (255 if channels == 1 else rendered[..., 1].astype(int))).max() <= 1


def test_between_the_pixels_a_spline(opened):
    """A hash grid is noise there: the page shows what Field.render does, and the field itself on demand."""
    field = small_field("multi_hash", picture_size=SIZE)
    page = ready(opened(field))
    assert_spline_agrees(page, field)
    assert page.input_value("#between") == "spline"
    page.wait_for_function("window.page.then(({ view }) => view.between === 'spline')")
    assert {key.split("/")[0] for key in idle(page)} >= {"spline"}
    page.select_option("#between", "field")
    page.wait_for_function("window.page.then(({ view }) => view.between === 'field')")
    assert "field/3/0/0" in idle(page)


def test_the_canvas_shows_the_picture(opened):
    """At 1:1, pixel for pixel, what Keras renders; nothing beside it."""
    field = small_field("relu_pe", picture_size=SIZE)
    page = opened(field, "?backend=webgl#0,0,1")
    idle(page)
    shown = """() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
      const canvas = document.getElementById("picture");
      const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      resolve([canvas.width, canvas.height, Array.from(data.data)]);
    })))"""
    width, height, data = page.evaluate(shown)
    pixels = np.reshape(data, (height, width, 4))
    top, left = round(height / 2 - SIZE[0] / 2), round(width / 2 - SIZE[1] / 2)
    picture = pixels[top : top + SIZE[0], left : left + SIZE[1]]
    assert np.abs(picture[..., :3] - field.render().astype(int)).max() <= 1
    assert (picture[..., 3] == 255).all()
    assert pixels[..., 3].sum() == 255 * SIZE[0] * SIZE[1]


def test_what_is_told(opened):
    field = small_field("siren", picture_size=SIZE)
    page = ready(opened(field))
    facts = page.inner_text("#facts")
    assert page.title() == page.inner_text("h1") == "A <test>"
    for fact in ("64 × 48 pixels", "PSNR 31.25 dB", f"Siren, {field.count_params():,} parameters", "kB loaded"):
        assert fact in facts
    page.select_option("#between", "field")
    idle(page)
    page.wait_for_selector("#status", state="hidden")
    box = page.locator("#picture").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("document.getElementById('readout').textContent.includes('pixel')")
    told = re.fullmatch(r"\((\S+), (\S+)\) +pixel \(32.0, 24.0\) +(.*)", page.inner_text("#readout"))
    point = np.float32([[float(told[1]), float(told[2])]])
    assert np.abs(point).max() < 0.01
    np.testing.assert_allclose([float(text) for text in told[3].split()], field(point)[0], atol=2e-3)
    page.mouse.move(box["x"] + 2, box["y"] + 2)  # beside the picture
    page.wait_for_function("document.getElementById('readout').textContent === ''")


def test_only_what_is_new_is_drawn(opened):
    """Panning evaluates the tiles that come into view, coming back none, zooming in those of the next level."""
    field = small_field("relu", picture_size=SIZE)
    page = opened(field, "?backend=webgl#0,0,32")
    drawn = idle(page)
    assert len(set(drawn)) == len(drawn)
    assert {key.split("/")[1] for key in drawn if "draft" not in key} == {"5"}
    assert "draft" in drawn[0]  # coarse first
    page.focus("#picture")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    after = idle(page)
    new = [key for key in after[len(drawn) :] if "draft" not in key]
    columns = [int(key.split("/")[3]) for key in new]
    assert 0 < len(new) < len([key for key in drawn if "draft" not in key])
    assert min(columns) > max(int(key.split("/")[3]) for key in drawn if "draft" not in key)
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert idle(page) == after
    page.keyboard.press("+")
    page.keyboard.press("+")
    closer = idle(page)[len(after) :]
    assert {key.split("/")[1] for key in closer} == {"6"}
    assert not [key for key in closer if "draft" in key]  # the level before is coarse enough


def test_what_is_not_wanted_any_more_is_not_drawn(opened):
    field = small_field("siren", picture_size=SIZE)
    page = opened(field, "?backend=webgl#0,0,1")
    before = idle(page)
    jump = """window.page.then(({ view }) => {
      view.go({ x: 10, y: 10, scale: 512 });
      view.go({ x: 50, y: 40, scale: 1024 });
    })"""
    page.evaluate(jump)
    levels = [key.split("/")[1] for key in idle(page)[len(before) :] if "draft" not in key]
    assert levels.count("10") > 2
    assert levels.count("9") <= 2  # those that were on their way


def test_the_address_restores_the_view(opened):
    field = small_field("siren", picture_size=SIZE)
    page = ready(opened(field))
    page.focus("#picture")
    for key in ("+", "+", "+", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    page.wait_for_function("location.hash.length > 1")
    page.wait_for_timeout(300)  # the address follows once the view rests
    seen, address = place(page), page.evaluate("location.hash")
    other = ready(opened(field, f"?backend=webgl{address}"))
    for name, value in place(other).items():
        assert value == pytest.approx(seen[name], rel=1e-6)
    other.keyboard.press("Tab")
    other.focus("#picture")
    other.keyboard.press("0")
    height = other.evaluate("document.getElementById('picture').height")
    assert place(other)["scale"] == pytest.approx(min(640 / 64, height / 48))
    other.evaluate("location.hash = '#0.5,0.25,4'")
    other.wait_for_function("window.page.then(({ view }) => view.place.scale === 4)")
    assert place(other) == {"x": 48, "y": 32, "scale": 4}


def test_zooming_ends_where_float32_does(opened):
    """Pixels of 2^-20 of the longer side are the last, and are still the field's values at their own places."""
    field = small_field("siren", picture_size=SIZE)
    page = ready(opened(field))
    last = page.evaluate("window.page.then(({ view }) => { view.zoom(1e30); return [view.level, view.place.scale]; })")
    assert last == [14, 2**14]
    values, expected = values_of(page, field, 2**14, (3, 5), (41.3, 17.7))
    assert np.abs(values - expected).max() <= LEVEL


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(opened, scheme):
    field = small_field("siren", picture_size=SIZE)
    page = ready(opened(field, viewport={"width": 360, "height": 640}, color_scheme=scheme, has_touch=True))
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.locator("#picture").bounding_box()["height"] > 300
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 22, 23)"
    assert dark == (scheme == "dark")
    page.locator("#closer").tap()
    assert place(page)["scale"] > 10


NO_WEBGL = """HTMLCanvasElement.prototype.getContext = new Proxy(HTMLCanvasElement.prototype.getContext, {
  apply: (target, self, given) => (given[0] === "webgl2" ? null : Reflect.apply(target, self, given)),
});"""


def test_a_browser_without_a_gpu(opened):
    """The processor draws the picture, and says so; what is asked for and is not there is told."""
    field = small_field("siren", picture_size=SIZE)
    page = ready(opened(field, ""))  # its GPU is software, which is slower
    assert page.inner_text("#evaluator") == "drawn by the processor"
    page = ready(opened(field, "", script=NO_WEBGL + "delete Navigator.prototype.gpu;"))
    assert page.inner_text("#evaluator") == "drawn by the processor"
    idle(page)
    for backend, name in (("webgl", "WebGL 2"), ("webgpu", "WebGPU")):
        page = opened(field, f"?backend={backend}", script=NO_WEBGL + "delete Navigator.prototype.gpu;")
        page.wait_for_selector("#status.error")
        told = f"This browser has no {name}: without ?backend={backend} the page does without it."
        assert page.inner_text("#status") == told
    page.problems.clear()  # an error that is told is one of the console, too


def test_what_cannot_be_loaded_is_told(opened, host):
    torn, gone = (Siren(units=(8,), picture_size=SIZE, seed=0) for _ in range(2))
    (numbers,) = exported(host, torn).glob("field-*.bin")
    numbers.write_bytes(numbers.read_bytes()[:-4])
    (missing,) = exported(host, gone).glob("field-*.bin")
    missing.unlink()
    for field, told in (
        (torn, "The field's numbers are not whole: load the page again."),
        (gone, f"{missing.name} cannot be loaded: the server answers 404."),
    ):
        page = opened(field)
        page.wait_for_selector("#status.error")
        assert page.inner_text("#status") == told
    page.problems[:] = [problem for problem in page.problems if "404" not in problem]


def test_a_notebook_shows_the_same_page(browser):
    """In a frame of its own; without the frame, which a notebook that trusts nothing takes away, a PNG is seen."""
    field = small_field("hash_smooth", picture_size=SIZE)
    bundle = mimebundle(field)
    page = browser.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.set_content(bundle["text/html"])
    frame = page.frames[1]
    frame.wait_for_function("window.page !== undefined")
    request, _ = raster_request(field, 1, *SIZE)
    code = "async (request) => Array.from(await (await window.page).evaluator.evaluate({ ...request, way: 'field' }))"
    pixels = np.reshape(frame.evaluate(code, request), (*SIZE, 4))
    assert np.abs(pixels[..., :3] - field.render().astype(int)).max() <= 1
    assert problems == []
    page.set_content(re.sub("<iframe.*?</iframe>", "", bundle["text/html"], flags=re.DOTALL))
    assert page.evaluate("document.images[0].decode().then(() => document.images[0].naturalWidth)") == 64
    page.close()
