from keras_inr.errors import ImageError as ImageError
from keras_inr.signals.image import ImageSignal as ImageSignal
from keras_inr.signals.image import load_from_builder as load_from_builder
from keras_inr.signals.image import load_image as load_image
from keras_inr.signals.large import LargeImage as LargeImage
from keras_inr.signals.large import open_image as open_image
from keras_inr.signals.resampling import resampled as resampled
