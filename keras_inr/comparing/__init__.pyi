from keras_inr.comparing.budget import Budget as Budget
from keras_inr.comparing.plan import Comparison as Comparison
from keras_inr.comparing.plan import Variant as Variant
from keras_inr.comparing.run import run_comparison as run_comparison
