"""A playground in a file: the network as `model.save` writes it, which `xpnet.load` reads, and the state beside it."""

import json
import tempfile
from pathlib import Path
from typing import Any

from xpnet.base.checks import whole
from xpnet.errors import FormatError, OptionError
from xpnet.files.tensors import read_safetensors
from xpnet.model import Sequential
from xpnet.serving.playground.state import State, read_state

NAME = "playground.safetensors"
KEY = "xpnet_playground"


def to_file(network: Sequential, state: State, step: int, epoch: int, place: int) -> bytes:
    """The bytes of a safetensors file: weights, network, state, and how far the training is."""
    from safetensors.numpy import save

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        network.save(path)
        tensors, metadata = read_safetensors(path)
    about = {"state": state.as_json(), "step": step, "epoch": epoch, "place": place}
    return save(tensors, metadata | {KEY: json.dumps(about)})


class Opened:
    """What such a file holds. FormatError if it is none."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        with tempfile.TemporaryDirectory() as folder:
            tensors, metadata = self._in_file(folder, read_safetensors)
        del tensors
        try:
            about = json.loads(metadata[KEY])
            self.state = read_state(about["state"])
            self.step, self.epoch, self.place = (
                whole(name, about[name], least=0) for name in ("step", "epoch", "place")
            )
        except OptionError as error:
            raise FormatError(f"the state in this file is damaged: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise FormatError("this file does not come from the playground: it holds no state of one") from error

    def load_into(self, network: Sequential) -> None:
        """Its weights into a network that was made from its state."""
        with tempfile.TemporaryDirectory() as folder:
            self._in_file(folder, network.load_weights)

    def _in_file(self, folder: str, read: Any) -> Any:
        """What `read` makes of a file with these bytes; the file is gone afterwards, and no message names it."""
        path = Path(folder) / "the file"
        path.write_bytes(self.data)
        try:
            return read(path)
        except FormatError as error:
            raise FormatError(str(error).replace(str(path), path.name)) from error
