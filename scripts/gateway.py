"""Shows pictures that TensorFlow Serving serves: python scripts/gateway.py --base=models --backend=grpc://HOST:8500

The same as `keras-inr gateway`, for a Python that keras_inr is installed for: `make install`, then .venv/bin/python.
"""

import sys

arguments, sys.argv[:] = ["gateway", *sys.argv[1:]], ["keras-inr"]

try:
    from keras_inr.cli.main import main
except ModuleNotFoundError as error:
    if error.name != "keras_inr":
        raise
    sys.exit("keras_inr is not installed for this Python: run `make install` and take .venv/bin/python")

main(arguments, program="gateway.py")
