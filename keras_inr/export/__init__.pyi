from keras_inr.export.formats import export_field as export_field
from keras_inr.export.model_base import BaseVersion as BaseVersion
from keras_inr.export.model_base import export_model_base as export_model_base
from keras_inr.export.model_base import retire_versions as retire_versions
from keras_inr.export.model_base import set_label as set_label
from keras_inr.export.saved_model import export_saved_model as export_saved_model
