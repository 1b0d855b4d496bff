from keras_inr.rendering.raster import FieldRaster as FieldRaster
from keras_inr.rendering.to_file import RenderSettings as RenderSettings
from keras_inr.rendering.to_file import render_file as render_file
