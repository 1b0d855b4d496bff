"""What a gateway answers, over each backend: the field's own pictures, wherever they come from."""

import concurrent.futures
import http.server
import io
import json
import shutil
import socket
import threading
import time
import xml.etree.ElementTree

import numpy as np
import PIL.Image
import pytest
from serving.conftest import Running, ask

from gateway.conftest import ORIGINAL, RunningGateway, embedded_routes
from keras_inr.export.models_config import ORIGINAL as ORIGINAL_FILE
from keras_inr.gateway.backends import Embedded, OverGrpc, OverRest
from keras_inr.gateway.frames import DeepZoom, xyz_frame
from keras_inr.gateway.pictures import FRESH_SECONDS, Pictures
from keras_inr.rendering.derivative_pictures import DERIVATIVES
from keras_inr.rendering.raster import FieldRaster
from keras_inr.serving.settings import Bounds, settings_of_base
from keras_inr.serving.status import RequestError

SIZE = (20, 30)
YEAR = "public, max-age=31536000, immutable"


def pixels(reply):
    assert reply.status == 200, reply.content
    array = np.asarray(PIL.Image.open(io.BytesIO(reply.content)))
    return array[..., None] if array.ndim == 2 else array


def rendered(field, frame, between="field"):
    return field.render(*frame.size, frame.coordinates(field.picture_size), between=between)


def assert_close(found, expected, most=1):
    np.testing.assert_allclose(found.astype(int), expected.astype(int), atol=most)


class TestPictures:
    def test_the_list(self, show):
        found = show("pictures").json["pictures"]
        assert [entry["name"] for entry in found] == ["fox", "hen", "owl"]
        fox, hen, owl = found
        assert (fox["version"], fox["versions"], fox["labels"]) == (2, [2, 1], {"stable": 1})
        assert (fox["height"], fox["width"], fox["channels"]) == (20, 30, 3)
        assert fox["layers"] == ["value", "gradient", "laplacian"]
        assert hen["layers"] == ["value", "gradient"]  # it has kinks
        assert owl["layers"] == ["value", "field", "gradient", "laplacian", "original", "bicubic"]
        assert owl["psnr_db"] == 31.5
        assert fox["bytes"] > fox["num_parameters"] * 4
        assert owl["image_bytes"] > 0

    @pytest.mark.parametrize("identifier", ["fox", "fox@1", "fox@2", "fox@stable"])
    def test_one(self, show, identifier):
        found = show(f"pictures/{identifier}").json
        assert found["version"] == (1 if identifier in ("fox@1", "fox@stable") else 2)

    def test_versions_differ_by_their_fingerprints(self, show):
        prints = {show(f"pictures/{name}").json["fingerprint"] for name in ("fox@1", "fox@2", "hen", "fox@stable")}
        assert len(prints) == 3

    @pytest.mark.parametrize(
        "identifier",
        ["wolf", "fox@3", "fox@none", "fox_pictures@1@2", "..", "fox%2F1", "fox@99999999999999999999", "f\xf6x"],
    )
    def test_what_is_not_there(self, show, identifier):
        reply = show(f"pictures/{identifier}".encode().decode("latin-1").replace("\xc3\xb6", "%C3%B6"))
        assert reply.status in (400, 404)
        assert reply.json["error"]

    def test_a_point(self, show, fields):
        told = show("pictures/fox/at?x=7.5&y=3.5").json
        coords = np.float32([[(7.5 - 15) / 15, (3.5 - 10) / 15]])
        np.testing.assert_allclose(told["coordinates"], coords[0], rtol=1e-6)
        np.testing.assert_allclose(told["values"], fields["fox"](coords)[0], atol=1e-5)
        assert np.shape(told["jacobian"]) == (3, 2)
        assert np.shape(told["laplacian"]) == (3,)
        assert "laplacian" not in show("pictures/hen/at?x=7.5&y=3.5").json

    @pytest.mark.parametrize("query", ["", "x=1", "x=a&y=1", "x=nan&y=1", "x=1&y=inf", "x=1e300&y=1"])
    def test_a_point_that_is_none(self, show, query):
        reply = show(f"pictures/fox/at?{query}")
        assert (reply.status, "must be a number of pixels" in reply.json["error"]) == (400, True)


class TestTiles:
    @pytest.mark.parametrize("identifier", ["fox", "fox@1", "fox@stable", "hen"])
    @pytest.mark.parametrize("place", ["0/0/0", "3/2/1", "9/200/100"])
    def test_xyz_tiles_are_the_field(self, show, fields, identifier, place):
        z, x, y = map(int, place.split("/"))
        frame = xyz_frame(SIZE, z, x, y)
        tile = pixels(show(f"tiles/{identifier}/{place}.png"))
        assert tile.shape[:2] == (256, 256)
        height, width = frame.size
        expected = rendered(fields[identifier], frame)
        if (height, width) != (256, 256):
            assert not tile[height:, :, 3].any()
            assert tile[:height, :width, 3].all()
            tile = tile[..., : fields[identifier].channels]
        assert_close(tile[:height, :width], expected)

    @pytest.mark.parametrize("format", ["jpg", "jpeg", "webp"])
    def test_formats(self, show, fields, format):
        reply = show(f"tiles/fox/3/2/1.{format}")
        assert reply.headers["Content-Type"] == {"webp": "image/webp"}.get(format, "image/jpeg")
        expected = rendered(fields["fox"], xyz_frame(SIZE, 3, 2, 1))
        assert np.abs(pixels(reply).astype(int) - expected).mean() < 4

    def test_larger_tiles_and_rows_from_below(self, show):
        tile = pixels(show("tiles/fox/2/1/1.png?tile=512"))
        assert tile.shape[:2] == (512, 512)
        np.testing.assert_array_equal(pixels(show("tiles/fox/2/1/2.png?tms=1")), pixels(show("tiles/fox/2/1/1.png")))

    @pytest.mark.parametrize("level", [3, 5, 8])
    def test_deep_zoom_tiles_are_the_field(self, show, fields, level):
        frame = DeepZoom(SIZE).frame(level, 0, 0)
        assert_close(pixels(show(f"dzi/fox_files/{level}/0_0.png")), rendered(fields["fox"], frame))

    def test_the_deep_zoom_document(self, show):
        reply = show("dzi/fox@1.dzi")
        assert reply.headers["Content-Type"].startswith("application/xml")
        (size,) = xml.etree.ElementTree.fromstring(reply.content)
        assert (int(size.get("Height")), int(size.get("Width"))) == DeepZoom(SIZE).size

    def test_tile_json(self, show):
        told = show("tiles/fox.json").json
        assert told["tilejson"] == "3.0.0"
        url = told["tiles"][0].format(z=1, x=0, y=0)
        assert ask(url).status == 200

    @pytest.mark.parametrize("layer", DERIVATIVES)
    def test_derivatives_have_one_scale_in_all_tiles(self, show, fields, layer):
        field, kind = fields["fox"], DERIVATIVES[layer]
        scale = kind.scale_of(FieldRaster(field, supersampling=1, output=kind.output).array())
        for x in (1, 2):
            frame = xyz_frame(SIZE, 2, x, 1)
            values = FieldRaster(field, *frame.size, frame.coordinates(SIZE), output=kind.output).array()
            found = pixels(show(f"tiles/fox/2/{x}/1.png?layer={layer}")).astype(int)
            assert np.abs(found - kind.draw(values, scale)).mean() < 1

    def test_a_field_that_is_noise_between_pixels_is_shown_by_a_spline(self, show, fields):
        frame = xyz_frame(SIZE, 2, 1, 1)
        assert_close(pixels(show("tiles/owl/2/1/1.png")), rendered(fields["owl"], frame, "spline"))
        assert_close(pixels(show("tiles/owl/2/1/1.png?layer=field")), rendered(fields["owl"], frame))

    def test_the_original(self, show):
        whole = pixels(show("pictures/owl/view.png?layer=original"))
        np.testing.assert_array_equal(whole, ORIGINAL)
        near = pixels(show("pictures/owl/view.png?layer=original&box=3,4,5,6&size=64x64"))
        np.testing.assert_array_equal(near[::32, ::32], ORIGINAL[4:6, 3:5])
        image = PIL.Image.fromarray(ORIGINAL)
        expected = image.resize((64, 64), PIL.Image.Resampling.BICUBIC, box=(3, 4, 9, 10))
        soft = pixels(show("pictures/owl/view.png?layer=bicubic&box=3,4,9,10&size=64x64"))
        np.testing.assert_array_equal(soft, np.asarray(expected))

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("tiles/fox/13/0/0.png", 404),
            ("tiles/fox/2/0/3.png", 404),
            ("tiles/fox/2/0/0.png?tms=1", 404),
            ("tiles/fox/9999999999999999999999/0/0.png", 404),
            ("tiles/fox/0/0/0.gif", 400),
            ("tiles/fox/0/0/0.png?layer=hue", 400),
            ("tiles/fox/0/0/0.png?layer=original", 400),
            ("tiles/hen/0/0/0.png?layer=laplacian", 400),
            ("tiles/fox/0/0/0.png?tile=100000", 400),
            ("tiles/fox/-1/0/0.png", 404),
            ("tiles/fox/0/0/0", 404),
            ("tiles/wolf/0/0/0.png", 404),
            ("dzi/fox_files/99/0_0.png", 404),
            ("dzi/fox_files/5/9_0.png", 404),
            ("dzi/fox_files/5/0_0.tif", 400),
        ],
    )
    def test_what_is_not_there(self, show, path, status):
        reply = show(path)
        assert (reply.status, bool(reply.json["error"])) == (status, True)

    @pytest.mark.parametrize("number", ["9" * 400, "9" * 5000])
    def test_numbers_that_no_tile_has(self, show, number):
        for path in (f"{number}/0/0.png", f"0/{number}/0.png", f"0/0/{number}.png?tms=1"):
            assert show(f"tiles/fox/{path}").status == 404
        for path in (f"{number}/0_0.png", f"0/{number}_0.png", f"0/0_{number}.png"):
            assert show(f"dzi/fox_files/{path}").status == 404


class TestViews:
    def test_a_part_at_a_size(self, show, fields):
        found = pixels(show("pictures/fox/view.png?box=3,4,13,9&size=100x50"))
        box = ((3 - 15) / 15, (4 - 10) / 15, (13 - 15) / 15, (9 - 10) / 15)
        assert_close(found, fields["fox"].render(50, 100, box, between="field"))

    def test_strips_join_without_a_seam(self, show, fields):
        """The models grant 2^16 points a request."""
        found = pixels(show("pictures/fox/view.png?size=450x300"))
        assert_close(found, fields["fox"].render(300, 450, between="field"))

    @pytest.mark.parametrize(
        "query",
        [
            "box=0,0,31,20",
            "box=-1,0,3,3",
            "box=5,5,5,6",
            "box=1,2,3",
            "box=a,b,c,d",
            "box=nan,0,1,1",
            "box=0,0,inf,1",
            "size=0x10",
            "size=10",
            "size=axb",
            "size=100000x100000",
            "size=-3x-3",
            "box=0,0,0.001,0.001&size=1000x1000",
        ],
    )
    def test_what_is_refused(self, show, query):
        reply = show(f"pictures/fox/view.png?{query}")
        assert (reply.status, bool(reply.json["error"])) == (400, True)

    @pytest.mark.parametrize("file", ["view.webp?size=20000x1", "view.jpg?size=1x70000"])
    def test_sides_that_a_format_has_no_room_for(self, show, file):
        reply = show(f"pictures/fox/{file}")
        assert (reply.status, "pixels along a side" in reply.json["error"]) == (400, True)

    def test_large_enlargements_by_the_spline_are_drawn_in_strips(self, show, fields):
        found = pixels(show("pictures/owl/view.png?size=1500x1000"))
        assert_close(found, fields["owl"].render(1000, 1500, between="spline"))


class TestIiif:
    def test_the_whole(self, show, fields):
        reply = show("iiif/fox@1/full/max/0/default.png")
        assert_close(pixels(reply), fields["fox@1"].render())
        assert '<http://iiif.io/api/image/3/level2.json>;rel="profile"' in reply.headers["Link"]
        assert '/iiif/fox@1/full/max/0/default.png>;rel="canonical"' in reply.headers["Link"]

    def test_beyond_its_pixels(self, show, fields):
        found = pixels(show("iiif/fox/3,4,10,5/^100,50/0/color.png"))
        box = ((3 - 15) / 15, (4 - 10) / 15, (13 - 15) / 15, (9 - 10) / 15)
        assert_close(found, fields["fox"].render(50, 100, box, between="field"))

    def test_turned_and_grey(self, show, fields):
        found = pixels(show("iiif/fox/full/max/90/gray.png"))
        expected = PIL.Image.fromarray(fields["fox"].render()).convert("L")
        assert_close(found[..., 0], np.asarray(expected.transpose(PIL.Image.Transpose.ROTATE_270)))

    def test_information(self, show):
        reply = show("iiif/fox/info.json")
        assert reply.headers["Content-Type"].startswith("application/ld+json")
        assert reply.json["id"].endswith("/iiif/fox")
        assert ask(reply.json["id"] + "/full/max/0/default.jpg").status == 200
        plain = show("iiif/fox/info.json", headers={"Accept": "application/json"})
        assert plain.headers["Content-Type"] == "application/json"

    def test_the_base_leads_to_the_information(self, show):
        assert show("iiif/fox").json["type"] == "ImageService3"  # urllib follows
        assert show("iiif/wolf").status == 404

    @pytest.mark.parametrize(
        "path",
        [
            "fox/full/max/0/default.gif",
            "fox/full/full/0/default.png",
            "fox/a/max/0/default.png",
            "fox/full/max/0/x.png",
        ],
    )
    def test_what_is_refused(self, show, path):
        assert show(f"iiif/{path}").status == 400


class TestCaching:
    def test_a_version_by_number_never_changes(self, show):
        assert show("tiles/fox@1/0/0/0.png").headers["Cache-Control"] == YEAR
        for identifier in ("fox", "fox@stable"):
            assert show(f"tiles/{identifier}/0/0/0.png").headers["Cache-Control"] == "public, no-cache"

    def test_what_the_client_has_is_not_sent_again(self, show):
        first = show("tiles/fox/0/0/0.png")
        tag = first.headers["ETag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            again = show("tiles/fox/0/0/0.png", headers={"If-None-Match": known})
            assert (again.status, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert show("tiles/fox/0/0/0.png", headers={"If-None-Match": '"other"'}).status == 200
        others = [f"tiles/fox@1/0/0/0.{kind}" for kind in ("png", "webp")] + ["tiles/fox/0/0/0.png?layer=gradient"]
        assert len({tag, *(show(path).headers["ETag"] for path in others)}) == 4

    def test_equal_requests_at_a_time_are_computed_once(self, show):
        def count():
            text = show("monitoring/prometheus/metrics").content.decode()
            counts = dict(
                line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("keras_inr_cache_lookups_t")
            )
            return {kind: float(counts.get(f'keras_inr_cache_lookups_total{{result="{kind}"}}', 0)) for kind in KINDS}

        KINDS = ("hit", "miss", "joined")
        before = count()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda i: show("tiles/fox/5/7/7.png").content, range(32)))
        after = count()
        assert len(set(found)) == 1
        assert after["miss"] - before["miss"] == 1
        assert sum(after.values()) - sum(before.values()) == 32


class TestBackends:
    def test_a_backend_that_is_away(self):
        for kind, address in ((OverGrpc, "127.0.0.1:9"), (OverRest, "http://127.0.0.1:9")):
            with RunningGateway(Pictures(kind(address, lambda: ["fox", "fox_pictures"]))) as running:
                reply = ask(f"{running.url}/tiles/fox/0/0/0.png")
                assert (reply.status, "does not answer at" in reply.json["error"]) == (503, True)
                (entry,) = ask(f"{running.url}/pictures").json["pictures"]
                assert "does not answer" in entry["error"]
                health = ask(f"{running.url}/health")
                assert (health.status, health.json["ready"]) == (503, False)

    def test_names_that_are_not_served(self, embedded):
        pictures = Pictures(OverGrpc(embedded.address, lambda: ["fox", "fox_pictures", "wolf"]))
        with RunningGateway(pictures) as running:
            found = ask(f"{running.url}/pictures").json["pictures"]
            assert [("error" in entry) for entry in found] == [False, True]
            assert found[0]["layers"] == ["value", "gradient", "laplacian"]
            assert found[0]["bytes"] is None

    def test_points_without_their_pictures(self, embedded):
        with RunningGateway(Pictures(OverGrpc(embedded.address, lambda: ["fox"]))) as running:
            reply = ask(f"{running.url}/pictures/fox")
        assert reply.status == 501
        assert reply.json["error"].endswith(": add fox_pictures, the model of its pictures, to the models")

    @pytest.mark.parametrize(
        "content",
        [
            b"[]",
            b"{}",
            b"null",
            b'{"model_spec": {"version": "x"}}',
            *(
                b'{"model_spec": {"version": "1"}, "outputs": %s}' % value
                for value in (b"[]", b'["a"]', b'["{}"]', b"3")
            ),
        ],
    )
    def test_a_backend_that_is_another_program(self, content):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, *arguments):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
            threading.Thread(target=other.serve_forever, daemon=True).start()
            pictures = Pictures(OverRest(f"http://127.0.0.1:{other.server_port}", lambda: ["fox", "fox_pictures"]))
            with RunningGateway(pictures) as running:
                (entry,) = ask(f"{running.url}/pictures").json["pictures"]
            other.shutdown()
        assert "answers as no TensorFlow Serving" in entry["error"] or "is no exported field" in entry["error"]

    def test_a_backend_that_hangs(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            names = ["fox", "hen", "owl", "wolf"]
            pictures = Pictures(OverRest(f"http://127.0.0.1:{silent.getsockname()[1]}", lambda: names))
            with RunningGateway(pictures, bounds=Bounds(seconds=1.0)) as running:
                before = time.monotonic()
                found = ask(f"{running.url}/pictures").json["pictures"]
        assert time.monotonic() - before < 3
        assert [bool(entry["error"]) for entry in found] == [True] * 4


class Slow:
    """A backend that draws only after a while."""

    def __init__(self, backend, draw):
        self.models, self.version_of, self.versions = backend.models, backend.version_of, backend.versions
        self._ask, self._draw = backend.ask, draw

    def ask(self, model, version, signature, inputs, seconds):
        if signature == "render_png":
            self._draw(seconds)
        return self._ask(model, version, signature, inputs, max(seconds, 1.0))


class TestTime:
    def test_who_joins_late_has_time_of_his_own(self, embedded):
        drawn = threading.Event()

        def draw(seconds):
            if not drawn.is_set():
                drawn.set()
                time.sleep(seconds)
                raise RequestError("DEADLINE_EXCEEDED", "too late")

        pictures = Pictures(Slow(Embedded(embedded.server.models), draw))
        with (
            RunningGateway(pictures, bounds=Bounds(seconds=2.0)) as running,
            concurrent.futures.ThreadPoolExecutor() as pool,
        ):
            first = pool.submit(ask, f"{running.url}/tiles/fox/0/0/0.png")
            assert drawn.wait(10)
            time.sleep(1.0)
            assert ask(f"{running.url}/tiles/fox/0/0/0.png").status == 200
            assert first.result().status == 504

    def test_what_there_is_is_told_while_all_slots_are_taken(self, embedded):
        go_on = threading.Event()
        pictures = Pictures(Slow(Embedded(embedded.server.models), lambda seconds: go_on.wait(30)))
        with (
            RunningGateway(pictures, bounds=Bounds(concurrency=1, waiting=2)) as running,
            concurrent.futures.ThreadPoolExecutor() as pool,
        ):
            tiles = [pool.submit(ask, f"{running.url}/tiles/fox/1/{x}/{y}.png") for x in (0, 1) for y in (0, 1)]
            concurrent.futures.wait(tiles, 10, concurrent.futures.FIRST_COMPLETED)
            time.sleep(1.5 * FRESH_SECONDS)
            listed = pool.submit(ask, f"{running.url}/pictures")
            try:
                assert listed.result(10).status == 200
            finally:
                go_on.set()
            assert {tile.result().status for tile in tiles} <= {200, 404, 503}


class TestFilesThatGo:
    """What another program does to a model base that is shown."""

    @pytest.fixture
    def own(self, base, tmp_path):
        """A server of a copy of the base, and the folder of owl's pictures there."""
        folder = shutil.copytree(base, tmp_path / "models")
        with Running(lambda: settings_of_base(folder), routes=embedded_routes) as running:
            yield running.url, folder / "owl_pictures" / "1"

    @pytest.mark.slow
    def test_a_folder_that_is_gone_before_its_version(self, own):
        url, folder = own
        folder.rename(folder.parent / "away")
        found = ask(f"{url}/pictures").json["pictures"]
        time.sleep(1.5 * FRESH_SECONDS)
        found = ask(f"{url}/pictures").json["pictures"]
        assert (found[-1]["name"], found[-1]["bytes"], found[-1]["image_bytes"]) == ("owl", None, None)
        assert ask(f"{url}/tiles/owl/0/0/0.png").status == 200

    @pytest.mark.slow
    @pytest.mark.parametrize("content", ["removed", "damaged", "of another size", "of 16 bits"])
    def test_an_original_that_is_none(self, own, content):
        url, folder = own
        path = folder / ORIGINAL_FILE
        assert ask(f"{url}/tiles/owl/0/0/0.png?layer=original").status == 200
        if content == "removed":
            path.unlink()
        elif content == "damaged":
            path.write_bytes(path.read_bytes()[:300])
        else:
            size, dtype = ((10, 15), np.uint8) if content == "of another size" else (SIZE, np.uint16)
            PIL.Image.fromarray(np.zeros(size, dtype)).save(path)
        reply = ask(f"{url}/tiles/owl/1/0/0.png?layer=original")
        assert reply.status in (400, 500)
        assert "original" in reply.json["error"]
        assert ask(f"{url}/pictures/owl").status == 200


def test_health(show):
    reply = show("health")
    assert (reply.status, reply.json["ready"]) == (200, True)


def test_json_is_strict(show):
    def refuse(token):
        raise ValueError(token)

    json.loads(show("pictures").content, parse_constant=refuse)
