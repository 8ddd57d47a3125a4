"""The files that `xpnet train` leaves behind, and what it measures of its own process."""

import os
import sys
import tempfile
from pathlib import Path

from xpnet.base.atomic_files import file_errors
from xpnet.base.regular_files import to_be_replaced
from xpnet.callbacks import History
from xpnet.cli.step_curve import StepCurve
from xpnet.data.datasets import Labelled
from xpnet.model import Model
from xpnet.visualize import plot_history, plot_misclassified
from xpnet.visualize.history import plot_steps


class Results:
    """Where the results go."""

    def __init__(self, folder: str, network: str, pictures: bool) -> None:
        self.folder = place = Path(folder)
        self.weights, self.csv = place / f"{network}.safetensors", place / "history.csv"
        self.backup = place / f"{network}.backup.safetensors"  # until training is finished
        self.history_png = place / "history.png" if pictures else None
        self.misclassified_png = place / "misclassified.png" if pictures else None
        self.earlier = any(path and os.path.exists(path) for path in self.files().values())  # of another training

    def prepare(self) -> None:
        """Make the folder, if it is not there. Raises FileError now if files could not be written later."""
        with file_errors(f"cannot write to the folder {self.folder}", "; choose another with --out", "it is a file"):
            self.folder.mkdir(parents=True, exist_ok=True)
            # asking for permissions is not enough: a disk may be read-only
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        for path in self.files().values():
            if path:
                with file_errors(f"cannot write {path}", "; choose another place with --out"):
                    to_be_replaced(path)

    def files(self) -> dict[str, str | None]:
        """The paths by what they hold."""
        files = {
            "weights": self.weights,
            "csv": self.csv,
            "history_png": self.history_png,
            "misclassified_png": self.misclassified_png,
        }
        return {name: str(path) if path else None for name, path in files.items()}

    def draw(
        self, model: Model, history: History, test: Labelled, labels: tuple[str, str], curve: StepCurve | None
    ) -> None:
        self.draw_history(history, labels, curve)
        if self.misclassified_png:
            plot_misclassified(model, *test, path=self.misclassified_png, names=model.class_names)

    def draw_history(self, history: History, labels: tuple[str, str], curve: StepCurve | None) -> None:
        """Not before the first epoch has ended. Of a single one, the curve over its steps is drawn."""
        if self.history_png and history.epoch:
            if len(history.epoch) == 1 and curve is not None and len(curve.steps) > 1:
                ends = {name: values[-1] for name, values in history.history.items()}
                plot_steps(curve.steps, curve.values, ends, self.history_png, labels)
            else:
                plot_history(history, self.history_png, labels)


def peak_memory_mb() -> float | None:
    """The most memory that this process has held, in units of 10**6 bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6
