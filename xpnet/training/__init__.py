"""Training: the verbs of a model, as functions. The way through it begins in loop.py."""

from xpnet.training.evaluation import evaluate, predict
from xpnet.training.loop import fit
from xpnet.training.step import train_on_batch

__all__ = ["evaluate", "fit", "predict", "train_on_batch"]
