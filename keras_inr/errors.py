"""Errors that a person who started a run can mend."""

import shlex


class InputError(ValueError):
    """What was asked for cannot be done; the message is one sentence and nothing was written."""


class NotExportedError(InputError):
    """A run has fitted a field that cannot be served: model.keras is written, SavedModel and metrics are not."""


class InterruptedRunError(Exception):
    """The run was asked to stop.

    Args:
        signal_number: of the signal that asked.
        folder: the run's folder.
        done: how far it was, such as "at step 17".
        again: what is saved, and what must be given beside the folder to go on.
    """

    def __init__(self, signal_number, folder, done, again="the state is saved, go on with"):
        super().__init__(f"stopped {done}; {again} --out={shlex.quote(str(folder))} --resume")
        self.signal_number = signal_number
