"""What happens around training: the history, early stopping, checkpoints, backups, logs, a progress bar.

What a callback is told, and when, stands in base.py.
"""

from xpnet.base.hints import explained
from xpnet.callbacks.backup import Backup
from xpnet.callbacks.base import Callback, Callbacks, Logs
from xpnet.callbacks.csv_log import CSVLogger
from xpnet.callbacks.display import EpochLines, ProgressBar
from xpnet.callbacks.ema import EMA
from xpnet.callbacks.history import History
from xpnet.callbacks.json_lines import JSONLinesLogger
from xpnet.callbacks.lambda_callback import LambdaCallback
from xpnet.callbacks.model_checkpoint import ModelCheckpoint
from xpnet.callbacks.monitor import Monitor
from xpnet.callbacks.plateau import ReduceLROnPlateau
from xpnet.callbacks.stopping import EarlyStopping, TerminateOnNaN, TimeLimit
from xpnet.callbacks.tensorboard import TensorBoard

__all__ = [
    "EMA",
    "Backup",
    "CSVLogger",
    "Callback",
    "Callbacks",
    "EarlyStopping",
    "EpochLines",
    "History",
    "JSONLinesLogger",
    "LambdaCallback",
    "Logs",
    "ModelCheckpoint",
    "Monitor",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
    "TimeLimit",
]

__getattr__ = explained(__name__)
