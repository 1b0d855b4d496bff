"""Fitting a field to a picture, or many to as many."""

from keras_inr.training.callbacks import DivergedError as DivergedError
from keras_inr.training.checkpoints import CheckpointError as CheckpointError
from keras_inr.training.fit import fit as fit
from keras_inr.training.fit_many import fit_many as fit_many
from keras_inr.training.fit_modulated import ModulatedFitResult as ModulatedFitResult
from keras_inr.training.fit_modulated import fit_modulated as fit_modulated
from keras_inr.training.fit_modulated import nearest as nearest
from keras_inr.training.pretraining import PretrainingRecipe as PretrainingRecipe
from keras_inr.training.pretraining import PretrainingResult as PretrainingResult
from keras_inr.training.pretraining import pretrain as pretrain
from keras_inr.training.recipe import Recipe as Recipe
from keras_inr.training.result import FitResult as FitResult
