"""Runs notebooks from their first cell to their last, and keeps what they show: python examples/run.py [NAME.ipynb ...]

A field's page is left out of what is kept, since it is a quarter of a megabyte; its picture stays.
"""

import pathlib
import sys
import tempfile
import time

import nbclient
import nbformat

HERE = pathlib.Path(__file__).resolve().parent


def main(names):
    for path in [HERE / name for name in names] or sorted(HERE.glob("*.ipynb")):
        notebook, before = nbformat.read(path, as_version=4), time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            resources = {"metadata": {"path": folder}}
            nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    output.data.pop("text/html", None)
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        nbformat.write(notebook, path)
        print(f"{path.name}: {time.perf_counter() - before:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
