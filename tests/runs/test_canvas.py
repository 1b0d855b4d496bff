"""Pages: heads that fit, text that any font can show, sizes in whole pixels."""

import matplotlib
import numpy as np
import pytest
from PIL import Image

from keras_inr.runs.canvas import GREY, INK, blank_figure, drawable, header_lines, rasterized, text_width, write_png
from keras_inr.runs.figures import save_comparison, save_curves

FIGURES = ["PSNR 38.2 dB", "SSIM 0.97", "44 099 parameters", "1600 steps", "98 s"]


@pytest.mark.parametrize("size", [(1, 1), (333, 777), (4074, 572)])
def test_pages_have_the_pixels_asked_for(tmp_path, size):
    write_png(tmp_path / "page.png", lambda: rasterized(blank_figure(*size)))
    with Image.open(tmp_path / "page.png") as page:
        assert page.mode == "RGB"
        assert page.size == size
        assert np.all(np.asarray(page) == 255)


@pytest.mark.parametrize("width", [60, 150, 400, 700, 2000])
@pytest.mark.parametrize("title", ["", "chelsea", "siren on /home/somebody/pictures/2024/a long name.png"])
def test_heads_fit_their_width(title, width):
    lines = header_lines(title, FIGURES, 16, width)
    for row, _, text, font, colour in lines:
        bold = font.get_file().endswith("Bold.ttf")
        assert text_width(text, 16, bold) <= width
        assert (bold, colour) == ((True, INK) if title and text == lines[0][2] else (False, GREY))
        together = [line for line in lines if line[0] == row]
        assert sum(text_width(line[2], 16) for line in together) <= width
    if width == 2000:
        assert [line[0] for line in lines] == [0] * len(lines)
        assert lines[-1][2] == " · ".join(FIGURES)


def test_a_long_line_loses_its_middle():
    [(_, _, text, _, _)] = header_lines("0123456789" * 20, [], 16, 200)
    head, tail = text.split("…")
    assert head.startswith("0123")
    assert tail.endswith("6789")
    assert abs(len(head) - len(tail)) <= 1


def test_an_empty_head():
    assert header_lines("", [], 16, 400) == []


def test_text_is_one_line_of_glyphs_that_exist(tmp_path):
    assert drawable("two\nlines\t× 10⁻⁴ \x00 写真") == "two lines × 10⁻⁴ � ��"
    assert drawable("$x^2") == "$x^2"
    assert drawable(38.5) == "38.5"


def test_figures_do_not_depend_on_a_person_s_style(tmp_path):
    """Such as text set by LaTeX, which is not installed everywhere, or a page that lays itself out."""
    own = {"text.usetex": True, "font.family": "Missing", "figure.constrained_layout.use": True, "lines.color": "red"}
    own |= {"axes.prop_cycle": matplotlib.cycler(color=["red"]), "path.sketch": (9, 9, 9), "figure.dpi": 11}
    rows = [{"step": i, "loss": 0.1**i, "psnr_db": i, "learning_rate": 1e-3, "seconds": i} for i in range(1, 9)]
    picture = np.linspace(0, 1, 64).reshape(8, 8, 1)
    written = []
    for settings in ({}, own):
        with matplotlib.rc_context(settings):
            before = matplotlib.rcParams.copy()
            save_curves(rows, tmp_path / "curves.png", "title")
            save_comparison(picture, picture**2, tmp_path / "comparison.png", "title", FIGURES)
            assert matplotlib.rcParams.copy() == before  # a copy, since to look at its backend chooses one
        written.append([(tmp_path / name).read_bytes() for name in ("curves.png", "comparison.png")])
    assert written[0] == written[1]
