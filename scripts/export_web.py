"""Exports a run's model as a page for any static host: python scripts/export_web.py --run=runs/0001

The same as `keras-inr export-web`, for a Python that keras_inr is installed for: `make install`, then .venv/bin/python.
"""

import sys

arguments, sys.argv[:] = ["export-web", *sys.argv[1:]], ["keras-inr"]

try:
    from keras_inr.cli.main import main
except ModuleNotFoundError as error:
    if error.name != "keras_inr":
        raise
    sys.exit("keras_inr is not installed for this Python: run `make install` and take .venv/bin/python")

main(arguments, program="export_web.py")
