"""A table of measured fits as it might be, for tests that must not depend on the committed one."""

from keras_inr.choosing.expectations import Table

LAW = {"size_db": 26.0, "per_octave": 3.0, "per_octave_crowded": 3.0, "per_sparse_db": 0.4, "beyond_band_db": 5.0}
LAW |= {"first_step": 20.0, "decay": 0.4}
TABLE = Table(
    about="invented",
    reference_seconds=0.004,
    families={
        "hash": {"law": LAW, "spread_db": 1.5, "pace": [0.3, 0.02, 0.08, 0.02], "count": 9},
        "sine": {"law": {**LAW, "decay": 0.3}, "spread_db": 1.2, "pace": [0.5, 0.0, 0.3, 0.0], "count": 9},
    },
)
