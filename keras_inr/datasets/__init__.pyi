from keras_inr.datasets.crops import random_crops as random_crops
from keras_inr.datasets.pictures import Picture as Picture
from keras_inr.datasets.pictures import list_pictures as list_pictures
from keras_inr.datasets.pictures import read_pictures as read_pictures
