"""Many pictures in, a model of each out: on this machine, or on a Ray cluster."""

from keras_inr.fleet.run import run_fleet as run_fleet
from keras_inr.fleet.settings import FleetSettings as FleetSettings
