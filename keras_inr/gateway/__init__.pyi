from keras_inr.gateway.backends import Backend as Backend
from keras_inr.gateway.backends import Embedded as Embedded
from keras_inr.gateway.backends import OverGrpc as OverGrpc
from keras_inr.gateway.backends import OverRest as OverRest
from keras_inr.gateway.gateway import Gateway as Gateway
