from keras_inr.serving.models import Models as Models
from keras_inr.serving.server import Server as Server
