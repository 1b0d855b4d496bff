"""Prepares a data set for tfds: sources: python scripts/prepare_data.py --dataset=cifair10

The same as `keras-inr prepare-data`, for a Python that keras_inr is installed for: `make install`, .venv/bin/python.
"""

import sys

arguments, sys.argv[:] = ["prepare-data", *sys.argv[1:]], ["keras-inr"]

try:
    from keras_inr.cli.main import main
except ModuleNotFoundError as error:
    if error.name != "keras_inr":
        raise
    sys.exit("keras_inr is not installed for this Python: run `make install` and take .venv/bin/python")

main(arguments, program="prepare_data.py")
