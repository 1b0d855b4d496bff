from keras_inr.fleet.plan import FleetPlan as FleetPlan
from keras_inr.fleet.run import run_fleet as run_fleet
