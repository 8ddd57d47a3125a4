"""A playground in a file: the network as `model.save` writes it, which `xpnet.load` reads, and the state beside it."""

import json
import tempfile
from pathlib import Path

import numpy as np

from xpnet.base import budget
from xpnet.base.checks import whole
from xpnet.base.file_kinds import other_kind
from xpnet.errors import FormatError, OptionError
from xpnet.model import Sequential
from xpnet.serving.playground.state import State, bounded, read_state

NAME = "playground.safetensors"
KEY = "xpnet_playground"


def to_file(network: Sequential, state: State, step: int, epoch: int, place: int) -> bytes:
    """The bytes of a safetensors file: weights, network, state, and how far the training is."""
    from safetensors.numpy import save

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        network.save(path)
        tensors, metadata = _read(path.read_bytes())
    about = {"state": state.as_json(), "step": step, "epoch": epoch, "place": place}
    return save(tensors, metadata | {KEY: json.dumps(about)})


def _read(data: bytes) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """All tensors, and the header's texts."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(data)  # which checks sizes, offsets and data types
        header = budget.parsed(data[8 : 8 + int.from_bytes(data[:8], "little")], len(data))
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, MemoryError) as error:
        why = f": {found}" if (found := other_kind(data, "safetensors")) else ", or it is damaged"
        raise FormatError(f"this is no network's file (.safetensors){why}") from error
    return tensors, header.get("__metadata__") or {}


class Opened:
    """What such a file holds. FormatError if it is none."""

    def __init__(self, data: bytes) -> None:
        self.tensors, metadata = _read(data)
        try:
            about = bounded(budget.parsed(metadata[KEY], len(data)))
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
        parameters = dict(network.named_parameters())
        shapes = {name: parameter.shape for name, parameter in parameters.items()}
        if shapes != {name: tensor.shape for name, tensor in self.tensors.items()}:
            raise FormatError("the weights in this file do not fit the network that its state describes")
        if any(tensor.dtype.kind != "f" for tensor in self.tensors.values()):
            raise FormatError("the weights in this file are no floating point numbers")
        for name, parameter in parameters.items():
            parameter.value = self.tensors[name]
