"""The same field on one and on two nodes of a Ray cluster: seconds, and whether the weights are the same to the bit.

From the root of the repository: python -m experiments.large.cluster --pictures=FOLDER

Both nodes are on this machine and have one core each, so that two have all that a machine of two cores has. Run it on
an idle machine, with the extra "cluster". The result is results/cluster.json and a table of this folder's README.
"""

from keras_inr.cli import startup

if __name__ == "__main__":
    startup.start("large_cluster")

import pathlib
import subprocess
import sys
import time

import numpy as np
from absl import flags

from experiments.files import ROOT, put_between, write_json
from experiments.large.mosaic import write_mosaic
from keras_inr.runs.facts import device_name, versions

FLAGS = flags.FLAGS
HERE = pathlib.Path(__file__).resolve().parent
MARKER = "<!-- cluster -->"
SIZE = (3072, 3072)


def define_flags():
    flags.DEFINE_string("pictures", None, "folder with 01.png to 24.png", required=True)
    flags.DEFINE_string("runs", str(ROOT / "runs" / "large"), "folder where the mosaic and the runs are put")


def main(argv):
    runs = pathlib.Path(FLAGS.runs)
    runs.mkdir(parents=True, exist_ok=True)
    picture = runs / "9-megapixels.tif"
    if not picture.exists():
        write_mosaic(FLAGS.pictures, picture, SIZE)
    rows = {f"{nodes} nodes": on_nodes(nodes, picture, runs / f"nodes-{nodes}") for nodes in (1, 2)}
    first, second = (runs / f"nodes-{nodes}" / "blocks" for nodes in (1, 2))
    same = all(weights_of(path) == weights_of(second / path.name) for path in sorted(first.iterdir()))
    write_json(
        HERE / "results" / "cluster.json",
        {"device": device_name(), "versions": versions(), "size": list(SIZE), "same_weights": same, "nodes": rows},
    )
    put_between(HERE / "README.md", MARKER, table(rows))
    print(table(rows), "the same weights" if same else "other weights")


def on_nodes(nodes, picture, out):
    """Seconds of a run on so many nodes of one core each, and until the last block had come back."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=1)
        command = [sys.executable, "-m", "keras_inr", "fit", f"--image={picture}", "--goal=40dB", "--block_size=512"]
        command += [f"--ray_address={cluster.address}", "--cpus_per_task=1", f"--out={out}", "--overwrite"]
        started, before = time.time(), time.perf_counter()
        subprocess.run(command, check=True, cwd=ROOT)
        seconds = time.perf_counter() - before
    finally:
        cluster.shutdown()
    fitted = max(path.stat().st_mtime for path in (out / "blocks").iterdir()) - started
    return {"seconds": round(seconds, 1), "seconds_to_last_block": round(fitted, 1)}


def weights_of(path):
    """Bytes of the weights in a block's file."""
    with np.load(path) as content:
        return [content[name].tobytes() for name in sorted(content.files) if name.startswith("weight")]


def table(rows):
    """Markdown."""
    lines = ["| nodes of one core | seconds to the last block | seconds in all |", "| --- | ---: | ---: |"]
    for name, row in rows.items():
        lines.append(f"| {name.split()[0]} | {row['seconds_to_last_block']:.0f} | {row['seconds']:.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    startup.run(sys.modules[__name__], sys.argv[1:])
