"""scripts/surroundings.py: a script in odd places, with variables and files of a person's own."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from cli.fit_calls import SCRIPT

NAME = "photo-\u00e9\u5199.png"


def called(*arguments, cwd, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, timeout=300, check=False
    )


@pytest.mark.slow
def test_whatever_a_person_has_set(tmp_path):
    """What ends `import matplotlib`, `import keras` or the drawing of figures; ASCII; no docstrings; a link."""
    for folder in ("own", "home", "script"):
        (tmp_path / folder).mkdir()
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe no text")
    (tmp_path / "own" / "matplotlibrc").write_text("text.usetex: True\nfont.family: Missing\nbackend: qtagg\n")
    (tmp_path / "home" / "keras.json").write_text('{"floatx": "float64", "image_data_format": "channels_first"}')
    (tmp_path / "script" / "link.py").symlink_to(SCRIPT)
    Image.new("RGB", (12, 12), "teal").save(tmp_path / NAME)
    done = called(
        "-OO", "script/link.py", f"--image={NAME}", "--preset=relu", "--units=8", "--steps=2", "--out=run",
        cwd=tmp_path, MPLBACKEND="module://matplotlib_inline.backend_inline", MPLCONFIGDIR=str(tmp_path / "own"),
        KERAS_HOME=str(tmp_path / "home"), PYTHONWARNINGS="error", PYTHONSAFEPATH="1", PYTHONIOENCODING="ascii:strict",
        TMPDIR=str(tmp_path / "missing"), COLUMNS="1", TERM="dumb", TF_USE_LEGACY_KERAS="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert rb"photo-\xe9\u5199.png" in done.stdout
    assert b"Traceback" not in done.stderr
    assert b"\r" not in done.stderr  # a bar that changes in place is for terminals
    made = {path.name for path in (tmp_path / "run").iterdir()}
    assert made >= {"model.keras", "saved_model", "comparison.png", "curves.png", "metrics.json"}
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["steps"] == 2


@pytest.mark.parametrize(
    ("backend", "settings", "told"),
    [
        ("jax", "{}", "keras_inr needs Keras on TensorFlow, and the backend is 'jax': set KERAS_BACKEND=tensorflow"),
        ("", '{"floatx": "bfloat16"}', "floatx in "),
    ],
)
def test_a_keras_that_cannot_be_worked_with(tmp_path, backend, settings, told):
    (tmp_path / "keras.json").write_text(settings)
    done = called(str(SCRIPT), cwd=tmp_path, KERAS_BACKEND=backend, KERAS_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"fit.py: {told}")
    assert done.stderr.count(b"\n") == 1


def test_closed_streams_and_a_folder_that_is_gone(tmp_path):
    """A file that is opened must not become standard output, where all that is printed would go."""
    told = tmp_path / "told"
    code = (
        "import os, sys; sys.argv[0] = 'keras-inr'\n"
        "from keras_inr.cli import surroundings; surroundings.settle()\n"
        f"file = open({str(told)!r}, 'w'); print('lost'); print('lost', file=sys.stderr); os.write(1, b'lost')\n"
        "import matplotlib; file.write(f'{file.fileno() > 2} {matplotlib.get_backend()}')\n"
    )
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f'rmdir "{gone}"; exec "{sys.executable}" -c "$CODE" <&- >&- 2>&-'
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"CODE": code, "MPLBACKEND": "nonsense"}
    assert subprocess.run(["sh", "-c", command], cwd=gone, env=environment, timeout=60, check=False).returncode == 0
    assert told.read_text() == "True agg"


@pytest.mark.slow
def test_the_library_leaves_matplotlib_to_the_person():
    code = (
        "import matplotlib; matplotlib.rcParams['text.usetex'] = True; matplotlib.rcParams['lines.color'] = 'r'\n"
        "before = matplotlib.rcParams.copy()\n"
        "import keras_inr.runs.figures as figures, numpy as np, tempfile\n"
        "figures.save_comparison(np.zeros((9, 9, 1)), np.ones((9, 9, 1)), tempfile.mkdtemp() + '/a.png', 'title')\n"
        "changed = {name for name, value in before.items() if matplotlib.rcParams._get(name) != value}\n"
        "print(changed, 'matplotlib.pyplot' in __import__('sys').modules and matplotlib.pyplot.get_fignums())\n"
    )
    done = called("-c", code, cwd=SCRIPT.parents[1], MPLBACKEND="")
    assert (done.returncode, done.stdout) == (0, b"set() []\n"), done.stderr
