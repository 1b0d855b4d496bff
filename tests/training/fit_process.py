"""Fits a small field with a checkpoint after every round, and prints its fingerprint: fit_process.py FOLDER."""

import sys

from keras_inr.training import fit
from training.small_fits import fingerprint, small_field, small_picture


def main(folder):
    field = small_field("siren")
    fit(
        field,
        small_picture(24, 32),
        steps=1000,
        batch_size=256,
        learning_rate=0.01,
        checkpoint_dir=folder,
        checkpoint_seconds=0,
        progress=False,
    )
    print(fingerprint(field))


if __name__ == "__main__":
    main(sys.argv[1])
