"""Training: the verbs of a model, as functions, and the step. The way through it begins in loop.py."""

from xpnet.training.evaluation import evaluate, predict
from xpnet.training.loop import fit
from xpnet.training.sharded import ShardedStep
from xpnet.training.shares import choose_shards, failing_together
from xpnet.training.step import Step

__all__ = ["ShardedStep", "Step", "choose_shards", "evaluate", "failing_together", "fit", "predict"]
