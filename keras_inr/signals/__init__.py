"""Pictures as arrays: one call from a file, a sample, a data set or an array to values and coordinates."""

from keras_inr.signals.errors import ImageError as ImageError
from keras_inr.signals.image import ImageSignal as ImageSignal
from keras_inr.signals.image import load_from_builder as load_from_builder
from keras_inr.signals.image import load_image as load_image
from keras_inr.signals.pictures import Picture as Picture
from keras_inr.signals.pictures import list_pictures as list_pictures
