"""Models that are saved in the course of training."""

import os
from pathlib import Path
from urllib.parse import quote

from xpnet.base.atomic_files import checked_path, file_errors
from xpnet.base.claims import INHERITED, Claim
from xpnet.base.regular_files import to_be_replaced
from xpnet.callbacks.base import Logs
from xpnet.callbacks.monitor import Monitor
from xpnet.errors import OptionError


class ModelCheckpoint(Monitor):
    """Save the model after each epoch, or (save_best_only) after each that is the best so far.

    `path` may hold fields that are filled in: "runs/digits-{epoch:02d}-{val_loss:.4f}.safetensors" (epochs count from
    1). save_weights_only leaves the description of the network out.

    While it trains, no other training, and no other callback, may save under this path: FileError at its start.
    """

    places = ("path",)

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
    ) -> None:
        super().__init__(monitor, mode)
        self.path = os.fspath(checked_path(path))
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.claim: Claim | None = None

    def on_train_begin(self, logs: Logs) -> None:
        if self.save_best_only:
            super().on_train_begin(logs)
        if not self.leads:
            return
        if "{" not in os.path.dirname(self.path):
            self._make_folder(self.path)  # before an hour of training, not after it
        if "{" not in self.path:
            with file_errors(f"ModelCheckpoint cannot write to {self.path}", ". Choose another path"):
                to_be_replaced(self.path)
        self._take()

    def on_lead(self) -> None:
        self._take(INHERITED)

    def on_train_end(self, logs: Logs) -> None:
        if self.claim is not None:
            self.claim.release()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.save_best_only and not self.improved(logs):
            return
        if self.params["validation"] and "{val_" in self.path and not any(name.startswith("val_") for name in logs):
            return  # an epoch without validation has no name to save under
        try:
            path = self.path.format(epoch=epoch + 1, **logs)
        except (KeyError, ValueError, IndexError) as error:
            raise OptionError(
                f"ModelCheckpoint: cannot fill in {self.path!r} ({error!r}); there are epoch, {', '.join(logs)}"
            ) from error
        self.by_leader(lambda: self._save(path))

    def _save(self, path: str) -> None:
        self._make_folder(path)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)

    def _take(self, patience: float = 0) -> None:
        place = _place_of(self.path)
        self.claim = Claim(place, "ModelCheckpoint", named=self.path, owner=self.model, patience=patience)

    def _make_folder(self, path: str) -> None:
        folder = os.path.dirname(path) or "."
        with file_errors(f"ModelCheckpoint cannot write to {path}"):
            os.makedirs(folder, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(f"no permission to write in {folder}")


def _place_of(pattern: str) -> Path:
    """A path that stands for all that the pattern becomes, in the innermost folder whose name is known."""
    folder = Path(pattern)
    open_parts: list[str] = []
    while "{" in str(folder):
        open_parts.insert(0, folder.name)
        folder = folder.parent
    return folder / quote("/".join(open_parts), safe="") if open_parts else folder
