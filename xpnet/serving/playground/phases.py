"""One step of the training in three: forward, backward and update, with all numbers that come up on the way.

It does by hand what `train_on_batch` does, and to the bit: forward, loss, back, optimizer.update.
"""

import math
from typing import Any

import numpy as np

from xpnet.core.parameter import zero_gradients
from xpnet.errors import OptionError, XpnetError
from xpnet.model import Sequential
from xpnet.regularizers import add_penalty_gradients, penalties
from xpnet.serving.playground.network import Block, blocks_of

NAMES = ("forward", "backward", "update")


class Phases:
    """A step that is under way, on one batch of the network's inputs and targets."""

    def __init__(self, network: Sequential, x: np.ndarray, t: np.ndarray) -> None:
        self.network, self.blocks = network, blocks_of(network)
        self.x, self.t = network.backend.batch((x, t), network.dtype)
        self.done = 0  # phases
        self.numbers: dict[str, Any] = {}

    @property
    def next(self) -> str | None:
        """The name of the phase that comes next."""
        return NAMES[self.done] if self.done < len(NAMES) else None

    def go(self, name: str) -> dict[str, Any]:
        """The phase, which must be the next one; returns all numbers up to it."""
        if name != self.next:
            raise OptionError(
                f"the phases are forward, backward, update, in this order: {self.next} is next, not {name!r:.40}"
            )
        with self.network.backend.computing(), np.errstate(all="ignore"):
            getattr(self, f"_{name}")()
        self.done += 1
        return self.numbers

    def _forward(self) -> None:
        network = self.network
        zero_gradients(network.parameters())
        values, self.backs = [self.x], []
        with network.drawing_step():  # dropout draws from it
            for layer in network:
                y, back = layer.forward(values[-1], train=True)
                values.append(y)
                self.backs.append(back)
        assert network.loss is not None
        loss, self.loss_back = network.loss.forward(values[-1], self.t, network.backend)
        penalty = sum(map(float, penalties(network.parameters())))
        if not math.isfinite(float(loss) + penalty):
            raise Diverged
        shown = [values[0], *(values[block.last + 1] for block in self.blocks)]
        self.numbers = {"loss": float(loss), "penalty": penalty, "outputs": [self._by_unit(each) for each in shown]}

    def _backward(self) -> None:
        dys = [self.loss_back()]
        for back in reversed(self.backs):
            dys.append(back(dys[-1]))  # which adds to the gradients of the layer's parameters
        dys.reverse()  # dys[i] is the gradient of what goes into layer i
        add_penalty_gradients(self.network.parameters())
        shown = [dys[0], *(dys[block.last + 1] for block in self.blocks)]
        self.numbers = self.numbers | {
            "deltas": [self._by_unit(each) for each in shown],
            "layers": [self._gradients(block) for block in self.blocks],
        }

    def _update(self) -> None:
        before = [
            {"weight_before": self._list(block.dense.weight.value), "bias_before": self._list(bias_of(block).value)}
            for block in self.blocks
        ]
        assert self.network.optimizer is not None
        self.network.optimizer.update(self.network.parameters())
        layers = [gradients | values for gradients, values in zip(self.numbers["layers"], before, strict=True)]
        self.numbers = self.numbers | {"layers": layers}

    def _gradients(self, block: Block) -> dict[str, Any]:
        found = {"weight_grad": self._list(block.dense.weight.grad), "bias_grad": self._list(bias_of(block).grad)}
        if block.norm and block.norm.weight and block.norm.bias:
            norm = {"weight_grad": self._list(block.norm.weight.grad), "bias_grad": self._list(block.norm.bias.grad)}
            return found | {"norm": norm}
        return found

    def _by_unit(self, values: Any) -> Any:
        """(N, units) as a list for each unit."""
        return self.network.backend.to_numpy(values).T.tolist()

    def _list(self, array: Any) -> Any:
        return self.network.backend.to_numpy(array).tolist()


class Diverged(XpnetError):
    """The loss is not finite any more; whoever knows the step says so."""


def bias_of(block: Block) -> Any:
    """The bias of the block's dense layer, which all of them have here."""
    assert block.dense.bias is not None
    return block.dense.bias
