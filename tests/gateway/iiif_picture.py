"""The picture that IIIF's validator asks for: python -m gateway.iiif_picture OUT.png, from the folder tests.

Needs a Python with iiif-validator. Fit OUT.png, export it as 67352ccc-d1b0-11e1-89ae-279075081939, serve it with
--rest_api_enable_cors_support, and run

    iiif-validate.py -s localhost:8501 -p iiif -i 67352ccc-d1b0-11e1-89ae-279075081939 --version 3.0 --level 2
"""

import sys

import numpy as np
import PIL.Image

SIDE = 100


def main(path):
    from iiif_validator.validator import ValidationInfo

    colours = np.array(ValidationInfo().colorInfo, np.uint8).swapaxes(0, 1)  # it has columns first
    PIL.Image.fromarray(colours.repeat(SIDE, 0).repeat(SIDE, 1)).save(path)


if __name__ == "__main__":
    main(sys.argv[1])
