"""Serves exported pictures over TensorFlow Serving's API: python scripts/serve.py --base=models

The same as `keras-inr serve`, for a Python that keras_inr is installed for: `make install`, then .venv/bin/python.
"""

import sys

arguments, sys.argv[:] = ["serve", *sys.argv[1:]], ["keras-inr"]

try:
    from keras_inr.cli.main import main
except ModuleNotFoundError as error:
    if error.name != "keras_inr":
        raise
    sys.exit("keras_inr is not installed for this Python: run `make install` and take .venv/bin/python")

main(arguments, program="serve.py")
