"""Exports: fields as files that other programs serve."""

from keras_inr.export.saved_model import export_saved_model as export_saved_model
