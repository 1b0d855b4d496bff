"""Edits pictures by their derivatives: python scripts/blend.py --target=room.jpg --source=cat.jpg --region=0,0,200,300

The same as `keras-inr blend`, for a Python that keras_inr is installed for: `make install`, then .venv/bin/python.
"""

import sys

arguments, sys.argv[:] = ["blend", *sys.argv[1:]], ["keras-inr"]

try:
    from keras_inr.cli.main import main
except ModuleNotFoundError as error:
    if error.name != "keras_inr":
        raise
    sys.exit("keras_inr is not installed for this Python: run `make install` and take .venv/bin/python")

main(arguments, program="blend.py")
