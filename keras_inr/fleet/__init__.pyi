from keras_inr.fleet.run import run_fleet as run_fleet
from keras_inr.fleet.settings import FleetSettings as FleetSettings
