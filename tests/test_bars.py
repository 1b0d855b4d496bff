"""Bars are live where somebody sees them: in a terminal, and in a notebook, where they are widgets."""

import sys
import types

import pytest
import tqdm

from keras_inr import _bars


@pytest.fixture
def notebook(monkeypatch):
    """This process as IPython's kernel of a notebook."""
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))


def test_nothing_is_live_without_a_terminal(capsys):
    assert not _bars.in_notebook()
    assert not _bars.is_live()
    with _bars.progress_bar(False, total=3) as bar:
        bar.update(3)
    assert bar.disable
    assert capsys.readouterr().err == ""


def test_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert _bars.is_live()


def test_a_bar_in_a_terminal(capsys):
    with _bars.progress_bar(True, total=3, unit=" blocks") as bar:
        bar.update(3)
    assert type(bar) is tqdm.tqdm
    assert "3/3" in capsys.readouterr().err


def test_a_notebook_has_the_widget(notebook, monkeypatch):
    assert _bars.is_live()
    made = []
    auto = types.SimpleNamespace(tqdm=lambda **options: made.append(options) or "widget")
    monkeypatch.setattr(tqdm, "auto", auto, raising=False)
    monkeypatch.setitem(sys.modules, "tqdm.auto", auto)
    monkeypatch.setattr(_bars.importlib.util, "find_spec", lambda name: name == "ipywidgets")
    assert _bars.progress_bar(True, total=3) == "widget"
    assert made == [{"total": 3}]


def test_a_notebook_without_widgets_has_the_line(notebook, monkeypatch, capsys):
    monkeypatch.setattr(_bars.importlib.util, "find_spec", lambda name: None)
    with _bars.progress_bar(True, total=3) as bar:
        bar.update(1)
    assert type(bar) is tqdm.tqdm


def test_other_shells_are_no_notebook(monkeypatch):
    for shell in (None, types.SimpleNamespace(config={})):
        monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert not _bars.in_notebook()
