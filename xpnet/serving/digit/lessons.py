""" "That was a 7": a few steps of training on what was drawn, and the way back."""

from typing import Any

import numpy as np
import numpy.typing as npt

from xpnet import random
from xpnet.data.augment import Affine
from xpnet.data.transforms import to_unit
from xpnet.model import Model
from xpnet.optimizers import Adam

STEPS = 24  # at most
ENOUGH = 0.95  # the probability of the label at which the digit is learned
COPIES, OTHERS = 8, 56  # of the digit, a little different each, and MNIST's digits, so that these are not forgotten
RATE = 0.0003  # each step changes a weight by about so much; more, and other digits are forgotten
MOST_LEVELS, MOST_BYTES = 20, 64 << 20  # that undo keeps


class Lesson:
    """Teaches a model that x (1, 28, 28) is the digit `label`."""

    def __init__(
        self,
        model: Model,
        x: npt.NDArray[np.float32],
        label: int,
        others: tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]],
    ) -> None:
        self.model, self.x, self.label, self.others = model, x, label, others
        self.step, self.steps, self.loss, self.learned = 0, STEPS, 0.0, False
        self.vary = Affine(shift=1.5, rotate=8, scale=0.08)
        loss = model.loss or "softmax_cross_entropy"
        model.compile(Adam(RATE), loss)

    @property
    def done(self) -> bool:
        return self.learned or self.step >= self.steps

    def tell(self, probability: float) -> None:
        """What the network says of the label by now: who has learned it is not taught further."""
        self.learned = bool(probability >= ENOUGH)

    def advance(self) -> None:
        """A step."""
        copies = self.vary(np.repeat(self.x[None], COPIES, axis=0))
        images, labels = self.others
        chosen = random.generator("others").integers(len(labels), size=OTHERS)
        x = np.concatenate([copies, to_unit(images[chosen])]).astype(np.float32)
        t = np.concatenate([np.full(COPIES, self.label), labels[chosen]])
        self.loss = self.model.train_on_batch(x.reshape(len(x), *(self.model.input_shape or ())), t)
        self.step += 1


class History:
    """Weights from before each lesson, of each network that was in it."""

    def __init__(self) -> None:
        self._levels: list[list[tuple[Model, list[npt.NDArray[Any]]]]] = []

    def __len__(self) -> int:
        return len(self._levels)

    def remember(self, models: list[Model]) -> None:
        """Before a lesson."""
        self._levels.append([(model, model.get_weights()) for model in models])
        while len(self._levels) > MOST_LEVELS or (len(self._levels) > 1 and self._bytes() > MOST_BYTES):
            del self._levels[0]

    def undo(self) -> list[Model]:
        """Put the weights back that were remembered last; the models that have changed."""
        level = self._levels.pop() if self._levels else []
        for model, weights in level:
            model.set_weights(weights)
        return [model for model, _ in level]

    def forget(self, model: Model) -> None:
        """It is no longer there, or has been trained since."""
        self._levels = [kept for level in self._levels if (kept := [each for each in level if each[0] is not model])]

    def _bytes(self) -> int:
        return sum(weight.nbytes for level in self._levels for _, weights in level for weight in weights)
