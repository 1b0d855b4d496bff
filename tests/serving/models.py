"""The model base that the contract is tried on: python -m serving.models FOLDER, from the folder tests."""

import pathlib
import sys

from export.small_fields import small_field

from keras_inr.export import export_model_base

LIMITS = {"max_pixels": 2**16, "max_points": 20_000, "max_rows": 64}


def make_base(folder):
    """fox, two versions of an RGB field with the label stable at the first; hen, a grey one of another kind."""
    folder = pathlib.Path(folder)
    export_model_base(small_field("siren_256"), folder, "fox", labels=["stable"], **LIMITS)
    export_model_base(small_field("siren_256", seed=2), folder, "fox", add_version=True, **LIMITS)
    export_model_base(small_field("multi_hash", channels=1), folder, "hen", **LIMITS)
    return folder


if __name__ == "__main__":
    make_base(sys.argv[1])
