"""What happens around training: the history, early stopping, checkpoints, backups, logs, a progress bar.

What a callback is told, and when, stands in base.py.
"""

from typing import TYPE_CHECKING

from xpnet.base.on_demand import imported_on_demand
from xpnet.callbacks.base import Callback, Callbacks, Logs
from xpnet.callbacks.display import EpochLines, ProgressBar
from xpnet.callbacks.history import History

if TYPE_CHECKING:
    from xpnet.callbacks.backup import Backup
    from xpnet.callbacks.csv_log import CSVLogger
    from xpnet.callbacks.ema import EMA
    from xpnet.callbacks.json_lines import JSONLinesLogger
    from xpnet.callbacks.lambda_callback import LambdaCallback
    from xpnet.callbacks.model_checkpoint import ModelCheckpoint
    from xpnet.callbacks.monitor import Monitor
    from xpnet.callbacks.plateau import ReduceLROnPlateau
    from xpnet.callbacks.reset_state import ResetState
    from xpnet.callbacks.stopping import EarlyStopping, TerminateOnNaN, TimeLimit
    from xpnet.callbacks.tensorboard import TensorBoard

# Where the rest stands: it is imported when somebody asks for it, so that `import xpnet` stays quick.
_PLACES = {
    "backup": ("Backup",),
    "csv_log": ("CSVLogger",),
    "ema": ("EMA",),
    "json_lines": ("JSONLinesLogger",),
    "lambda_callback": ("LambdaCallback",),
    "model_checkpoint": ("ModelCheckpoint",),
    "monitor": ("Monitor",),
    "plateau": ("ReduceLROnPlateau",),
    "reset_state": ("ResetState",),
    "stopping": ("EarlyStopping", "TerminateOnNaN", "TimeLimit"),
    "tensorboard": ("TensorBoard",),
}

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
    "ResetState",
    "TensorBoard",
    "TerminateOnNaN",
    "TimeLimit",
]

if not TYPE_CHECKING:  # which should know no name that is not there
    __getattr__, __dir__ = imported_on_demand(__name__, _PLACES, __all__)
