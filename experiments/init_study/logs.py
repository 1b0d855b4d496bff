"""A fit as a trial for TensorBoard's HParams."""

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from experiments.init_study.measures import LEVELS

SHOWN = (
    "experiment",
    "scheme",
    "omega_0",
    "weight_decay",
    "freeze",
    "learning_rate",
    "seed",
    "steps",
    "size",
    "points",
)
METRICS = {"psnr_db": "PSNR on pixels (dB)", "between_db": "PSNR between pixels (dB)"} | {
    f"steps_to_{level:g}": f"steps to an MSE of {level:g}" for level in LEVELS
}


def write_trial(folder, record, pictures):
    """Hyperparameters, final figures, curves, and the pictures at the levels that were reached."""
    with tf.summary.create_file_writer(str(folder)).as_default(step=0):
        values = {name: "none" if record[name] is None else record[name] for name in SHOWN}
        hparams.hparams(values, trial_id=folder.name)
        for row in record["looks"]:
            for name in ("psnr_db", "mse", "between_db", "between_mse"):
                if row[name] is not None:
                    tf.summary.scalar(f"looks/{name}", row[name], step=row["step"])
        for name in METRICS:
            if record[name] is not None:
                tf.summary.scalar(name, record[name], step=record["steps"])
        for level, picture in zip(LEVELS, pictures, strict=True):
            if picture is not None:
                tf.summary.image(f"at_{level:g}", picture[None], step=record[f"steps_to_{level:g}"])


class Histograms:
    """Writes histograms of all weights and biases, as the source has them, when it is called with step and field."""

    def __init__(self, folder):
        self.writer = tf.summary.create_file_writer(str(folder))

    def __call__(self, step, field):
        with self.writer.as_default(step=step):
            for variable in field.trainable_variables:
                tf.summary.histogram(variable.path, variable.value)
        self.writer.flush()


def write_columns(folder):
    """What the columns of the HParams tab are, once for all trials."""
    if any(folder.glob("events.*")):
        return
    with tf.summary.create_file_writer(str(folder)).as_default():
        columns = [hparams.Metric(name, display_name=text) for name, text in METRICS.items()]
        hparams.hparams_config([hparams.HParam(name) for name in SHOWN], columns)
