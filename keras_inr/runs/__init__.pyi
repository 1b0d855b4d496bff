from keras_inr.runs.fit_run import Display as Display
from keras_inr.runs.fit_run import run_image_fit as run_image_fit
from keras_inr.runs.plan import Plan as Plan
from keras_inr.runs.plan import PlannedFit as PlannedFit
from keras_inr.runs.plan import plan_fit as plan_fit
