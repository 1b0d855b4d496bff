"""Tiles of a large and of a small field from one server: how long a viewer waits, zoom by zoom.

From the root of the repository:

    python -m experiments.large.tiles --runs=runs/large/1-megapixel,runs/large/100-megapixels

Each run is exported into a model base, which `keras-inr serve` serves. Then tiles of 256 x 256 pixels that nobody has
asked for before are asked for one after the other, at random places of each zoom. Run it on an idle machine. The result
is results/tiles.json and a table of this folder's README.
"""

from keras_inr.cli import startup

if __name__ == "__main__":
    startup.start("large_tiles")

import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import psutil
from absl import flags

from experiments.files import ROOT, put_between, write_json
from experiments.watched import family
from keras_inr.runs.facts import device_name, versions
from keras_inr.runs.overview import metrics_of

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
MARKER = "<!-- tiles -->"
PORT = 8961


def define_flags():
    flags.DEFINE_list("runs", None, "folders of finished runs, a small and a large one", required=True)
    flags.DEFINE_integer("tiles", 24, "how many are asked for at each zoom", lower_bound=2)


def main(argv):
    runs = [pathlib.Path(run) for run in FLAGS.runs]
    rows = {}
    for run in runs:
        with tempfile.TemporaryDirectory() as base:
            command = [sys.executable, "-m", "keras_inr", "export", f"--run={run}", f"--to={base}", "--name=field"]
            subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
            rows[run.name] = served(base, metrics_of(run))
    write_json(HERE / "results" / "tiles.json", {"device": device_name(), "versions": versions(), "runs": rows})
    put_between(HERE / "README.md", MARKER, table(rows))
    print(table(rows))


def served(base, metrics):
    """Milliseconds of tiles by zoom, and the memory of the server afterwards."""
    command = [sys.executable, "-m", "keras_inr", "serve", f"--base={base}", f"--rest_api_port={PORT}", "--port=0"]
    server = psutil.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{PORT}/health")
        chance = random.Random(0)
        longest = max(metrics["height"], metrics["width"])
        zooms = range((longest - 1).bit_length() - 7)  # up to pixels twice as large as the picture's
        found = {zoom: median(zoom, metrics, chance) for zoom in zooms}
        held = sum(process.memory_full_info().pss for process in family(server))
    finally:
        server.terminate()
        server.wait()
    size = {name: metrics[name] for name in ("height", "width", "num_parameters")}
    return {**size, "milliseconds": found, "server_mb": round(held / 1e6)}


def wait_for(address):
    """Until the server says that it is well."""
    for _ in range(600):
        try:
            urllib.request.urlopen(address).read()
            return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"no answer from {address}")


def median(zoom, metrics, chance):
    """Median milliseconds of tiles at a zoom that were not asked for before; all there are where they are few."""
    longest = max(metrics["height"], metrics["width"])
    across, down = (max(1, -(-(2**zoom) * metrics[name] // longest)) for name in ("width", "height"))
    places = [(x, y) for x in range(across) for y in range(down)]
    taken = chance.sample(places, min(FLAGS.tiles, len(places)))
    seconds = []
    for x, y in taken:
        before = time.perf_counter()
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/tiles/field/{zoom}/{x}/{y}.png").read()
        seconds.append(time.perf_counter() - before)
    return round(1000 * statistics.median(seconds), 1)


def table(rows):
    """Markdown: a line for each run, a column for each zoom."""
    zooms = sorted({int(zoom) for row in rows.values() for zoom in row["milliseconds"]})
    heads = ["field", "pixels", "server (MB)", *(f"zoom {zoom}" for zoom in zooms)]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for name, row in rows.items():
        cells = [name.replace("-", " "), f"{row['height']} x {row['width']}", f"{row['server_mb']:,}"]
        times = {int(zoom): value for zoom, value in row["milliseconds"].items()}
        cells += [f"{times[zoom]:.0f}" if zoom in times else "" for zoom in zooms]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
