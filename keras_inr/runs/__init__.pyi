from keras_inr.runs.image_fit import ImageFitSettings as ImageFitSettings
from keras_inr.runs.image_fit import prepare_image_fit as prepare_image_fit
from keras_inr.runs.image_fit import run_image_fit as run_image_fit
