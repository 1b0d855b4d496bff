from keras_inr.choosing.choice import Choice as Choice
from keras_inr.choosing.choice import choose as choose
from keras_inr.choosing.goal import Goal as Goal
