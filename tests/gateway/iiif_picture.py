"""The picture that IIIF's validator asks for: python -m gateway.iiif_picture OUT.png, from the folder tests.

Needs a Python with iiif-validator. Fit OUT.png, export it as 67352ccc-d1b0-11e1-89ae-279075081939, serve it with
--rest_api_enable_cors_support, and run

    iiif-validate.py -s localhost:8501 -p iiif -i 67352ccc-d1b0-11e1-89ae-279075081939 --version 3.0 --level 2
"""

import sys

import PIL.Image

SIDE = 100


def main(path):
    from iiif_validator.validator import ValidationInfo

    colours = ValidationInfo().colorInfo  # columns of colours
    image = PIL.Image.new("RGB", (SIDE * len(colours), SIDE * len(colours[0])))
    for x, column in enumerate(colours):
        for y, colour in enumerate(column):
            image.paste(colour, (x * SIDE, y * SIDE, (x + 1) * SIDE, (y + 1) * SIDE))
    image.save(path)


if __name__ == "__main__":
    main(sys.argv[1])
