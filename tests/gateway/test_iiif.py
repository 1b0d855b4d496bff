"""The IIIF Image API 3: parts of URLs, by https://iiif.io/api/image/3.0/."""

import numpy as np
import PIL.Image
import pytest

from keras_inr.gateway.iiif import MAX_AREA, image_information, image_request, turned
from keras_inr.serving.status import RequestError

SIZE = (300, 400)


def asked(region="full", size="max", rotation="0", quality="default", channels=3):
    return image_request(region, size, rotation, quality, SIZE, channels)


@pytest.mark.parametrize(
    ("region", "box", "canonical"),
    [
        ("full", (0, 0, 400, 300), "full"),
        ("0,0,400,300", (0, 0, 400, 300), "full"),
        ("0,0,1000,1000", (0, 0, 400, 300), "full"),
        ("square", (50, 0, 350, 300), "50,0,300,300"),
        ("10,20,30,40", (10, 20, 40, 60), "10,20,30,40"),
        ("390,290,30,40", (390, 290, 400, 300), "390,290,10,10"),
        ("pct:25,50,50,25", (100, 150, 300, 225), "100,150,200,75"),
        ("pct:0,0,100,100", (0, 0, 400, 300), "full"),
        ("pct:50,50,0.1,.1", (200, 150, 200.4, 150.3), "pct:50,50,0.1,0.1"),
    ],
)
def test_regions(region, box, canonical):
    found = asked(region)
    np.testing.assert_allclose(found.frame.box, box)
    assert found.canonical.split("/")[0] == canonical


@pytest.mark.parametrize(
    ("size", "expected", "canonical"),
    [
        ("max", (300, 400), "max"),
        ("400,300", (300, 400), "max"),
        ("^max", (3547, 4729), "^4729,3547"),
        ("100,", (75, 100), "100,75"),
        (",30", (30, 40), "40,30"),
        ("^800,", (600, 800), "^800,600"),
        ("pct:50", (150, 200), "200,150"),
        ("pct:100", (300, 400), "max"),
        ("^pct:150.25", (451, 601), "^601,451"),
        ("100,100", (100, 100), "100,100"),
        ("^500,100", (100, 500), "^500,100"),
        ("!100,100", (75, 100), "100,75"),
        ("!1000,1000", (300, 400), "max"),
        ("^!1000,1000", (750, 1000), "^1000,750"),
        ("^200,", (150, 200), "200,150"),
    ],
)
def test_sizes(size, expected, canonical):
    found = asked(size=size)
    assert found.frame.size == found.frame.canvas == expected
    assert found.canonical.split("/")[1] == canonical
    assert expected[0] * expected[1] <= MAX_AREA


@pytest.mark.parametrize(
    ("part", "value"),
    [
        *(
            ("region", value)
            for value in ("", "0,0,0,10", "0,0,10,0", "400,0,10,10", "0,300,1,1", "-1,0,10,10", "1,2,3")
        ),
        *(
            ("region", value)
            for value in ("pct:0,0,0,50", "pct:100,0,10,10", "pct:0,0,1e-9,1", "a,b,c,d", "1.5,0,10,10")
        ),
        ("region", "pct:50,50,0.0000001,0.0000001"),
        *(
            ("size", value)
            for value in ("", "full", "0,", ",0", "0,0", "401,", ",301", "pct:101", "401,300", "pct:0", "a,b")
        ),
        *(("size", value) for value in ("^!0,10", "^100000,", "^99999,99999", "!,", "^", "1e3,", "٣,", "10,10,10")),
        *(("rotation", value) for value in ("361", "-90", "a", "", "!", "1e2", "90!", "inf", "nan")),
        *(("quality", value) for value in ("", "grey", "Color", "native")),
    ],
)
def test_what_is_refused(part, value):
    with pytest.raises(RequestError, match=f"{part} must be") as caught:
        asked(**{part: value})
    assert caught.value.http_status == 400


@pytest.mark.parametrize(
    ("rotation", "quality", "channels", "canonical"),
    [
        ("0", "default", 3, "0/default"),
        ("360", "color", 3, "0/default"),
        ("90.50", "gray", 3, "90.5/gray"),
        ("!180", "gray", 1, "!180/default"),
        (".5", "bitonal", 1, "0.5/bitonal"),
    ],
)
def test_rotations_and_qualities(rotation, quality, channels, canonical):
    assert asked(rotation=rotation, quality=quality, channels=channels).canonical == f"full/max/{canonical}"


CORNERS = np.uint8([[[10], [20]], [[30], [40]], [[50], [60]]])


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ("0", [[10, 20], [30, 40], [50, 60]]),
        ("90", [[50, 30, 10], [60, 40, 20]]),
        ("180", [[60, 50], [40, 30], [20, 10]]),
        ("270", [[20, 40, 60], [10, 30, 50]]),
        ("!0", [[20, 10], [40, 30], [60, 50]]),
        ("!90", [[60, 40, 20], [50, 30, 10]]),
    ],
)
def test_pictures_are_mirrored_then_turned_with_the_clock(rotation, expected):
    image = turned(PIL.Image.fromarray(CORNERS[..., 0]), asked(rotation=rotation, channels=1))
    assert np.asarray(image).tolist() == expected


def test_other_angles_leave_transparent_corners():
    image = turned(PIL.Image.new("RGB", (40, 40), "red"), asked(rotation="45"))
    assert image.mode == "RGBA"
    assert image.size[0] > 50
    assert image.getpixel((0, 0))[3] == 0
    assert image.getpixel((28, 28)) == (255, 0, 0, 255)


@pytest.mark.parametrize("quality", ["default", "gray"])
def test_a_grey_picture_stays_grey_when_it_is_turned(quality):
    image = turned(PIL.Image.new("L", (40, 40), 7), asked(rotation="45", quality=quality, channels=1))
    assert image.getpixel((28, 28)) == (7, 255)
    assert image.getpixel((0, 0))[1] == 0


def test_derivatives_of_a_grey_picture_are_grey_where_that_is_asked_for():
    image = turned(PIL.Image.new("RGB", (4, 4), "red"), asked(quality="gray", channels=1))
    assert image.mode == "L"


@pytest.mark.parametrize("rotation", ["0", "90", "180", "270", "30", "!135", "0.5", "359"])
def test_the_size_of_a_turned_picture(rotation):
    request = asked(size="30,60", rotation=rotation)
    width, height = turned(PIL.Image.new("L", (30, 60)), request).size
    np.testing.assert_allclose(request.turned_size, (height, width), atol=1)


def test_a_turned_picture_may_not_be_larger_than_others():
    assert asked(size="^100000,1", rotation="180").turned_size == (1, 100000)
    with pytest.raises(RequestError, match="rotation must be such that"):
        asked(size="^100000,1", rotation="45")  # a square of 70711 x 70711 pixels around a line


def test_qualities():
    image = PIL.Image.fromarray(np.uint8([[[255, 0, 0], [250, 255, 250]]]))
    assert np.asarray(turned(image, asked(quality="gray"))).tolist() == [[76, 253]]
    assert np.asarray(turned(image, asked(quality="bitonal"))).tolist() == [[0, 255]]


@pytest.mark.parametrize("size", [(300, 400), (1, 1), (6000, 4000), (20000, 30000), (64, 64)])
def test_the_information_says_what_can_be_asked(size):
    told = image_information("http://host/iiif/fox", size, 3)
    assert (told["id"], told["type"], told["profile"]) == ("http://host/iiif/fox", "ImageService3", "level2")
    assert (told["height"], told["width"]) == size
    assert told["tiles"][0]["scaleFactors"][-1] * 256 >= max(size)
    assert told["sizes"]
    for entry in told["sizes"]:
        frame = image_request("full", f"{entry['width']},{entry['height']}", "0", "default", size, 3).frame
        assert frame.size == (entry["height"], entry["width"])
