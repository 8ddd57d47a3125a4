"""Models: a network is a layer that can be compiled, trained, evaluated, saved and printed.

`Sequential` chains layers. A subclass of `Model` writes `call` in plain Python. Training and files are the floor below:
training.py and checkpoint.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, Self

import numpy as np

from xpnet import checkpoint, losses, optimizers, training
from xpnet.backend import Array, Backend
from xpnet.callbacks import Callback, History
from xpnet.errors import OptionError, ShapeError, XpnetError
from xpnet.layer import Back, Layer, Shape
from xpnet.losses import Loss
from xpnet.metrics import Metric
from xpnet.metrics import get as get_metric
from xpnet.optimizers import Optimizer
from xpnet.tape import Tape, Var

Data = Any  # a NumPy array or what becomes one


class Model(Layer):
    """The base of networks. A subclass makes its layers in `__init__` and joins them in `call`:

        class Residual(Model):
            def __init__(self):
                super().__init__()
                self.conv = layers.Conv2D(16, 3, padding="same", activation="relu")
                self.dense = layers.Dense(10)

            def call(self, x):
                h = self.conv(x)
                return self.dense(layers.GlobalAvgPool2D()(h + x))

    In training `x` is a Var, which takes layers and `+` only; in inference it is a plain array.
    """

    kind = "model"
    skips_dx = composite = True

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name)
        self.input_shapes: tuple[Shape, ...] = ()  # of each input, without the batch; () until the model is built
        self._known_shapes: dict[tuple[Shape, ...], Shape] = {}  # of the output, by those of the inputs
        self.optimizer: Optimizer | None = None
        self.loss: Loss | None = None
        self.metrics: list[Metric] = []
        self.history: History | None = None
        self.stop_training = False

    # ---- the layer protocol ----------------------------------------------------------------------------------------

    def call(self, *xs: Any) -> Any:
        """The network in plain Python: what a subclass writes."""
        raise XpnetError(f"{type(self).__name__} has no call: write `def call(self, x)` that joins its layers")

    def forward(self, *xs: Array, train: bool = False) -> tuple[Array, Back]:
        tape = Tape(train)
        inputs = [Var(x, tape) for x in xs]
        output = self.call(*inputs)
        if not isinstance(output, Var) or output.tape is not tape:
            raise OptionError(f"{self.label}: call must return what a layer returned, not {type(output).__name__}")
        self._note_inputs(tuple(tuple(x.shape[1:]) for x in xs))
        spent = False

        def back(dy: Array, need_dx: bool = True) -> Any:
            nonlocal spent
            if spent:
                raise OptionError(
                    f"{self.label}: back was called twice; run forward again (its arrays are freed on the way back)"
                )
            spent = True
            dxs = tape.walk_back(dy, output, inputs, need_dx)
            if need_dx:  # an input that the output does not depend on has gradient zero
                dxs = [self.xp.zeros_like(x.value) if dx is None else dx for x, dx in zip(inputs, dxs, strict=True)]
            return dxs[0] if len(dxs) == 1 else tuple(dxs)

        return output.value, back

    def __call__(self, *xs: Any, train: bool = False) -> Any:
        if train or any(isinstance(x, Var) for x in xs):
            return super().__call__(*xs, train=train)
        return self.call(*xs)

    def build(self, *shapes: Shape) -> Shape:
        """Make all parameters, for inputs of these shapes (without the batch), and return the output's shape."""
        dummies = [self.backend.zeros((1, *shape), self.dtype) for shape in shapes]
        output: Shape = tuple(self.call(*dummies).shape[1:])
        self._note_inputs(tuple(tuple(shape) for shape in shapes))
        return output

    def output_shape(self, *shapes: Shape) -> Shape:
        if shapes not in self._known_shapes:  # `call` is Python: the way to know is to run it, on one image of zeros
            self._known_shapes[shapes] = self.build(*shapes)  # layers are built once only
        return self._known_shapes[shapes]

    @property
    def input_shape(self) -> Shape | None:
        """The shape of one sample of the (first) input, or None for a model that is not built."""
        return self.input_shapes[0] if self.input_shapes else None

    def _note_inputs(self, shapes: tuple[Shape, ...]) -> None:
        if not self._built:
            self.input_shapes, self._built = shapes, True

    def _move(self, backend: Backend | None, dtype: str | None) -> Self:
        before = self.backend
        super()._move(backend, dtype)
        if self.optimizer:
            self.optimizer.move(before)
        return self

    # ---- Keras-like training ---------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: str | Optimizer = "adam",
        loss: str | Loss = "softmax_cross_entropy",
        metrics: Iterable[str | Metric] | None = None,
    ) -> None:
        """Choose how to train: an optimizer, a loss and metrics, each by name or as an object."""
        chosen = losses.get(loss)
        last = self.last_layer()
        if chosen.activation and type(last).__name__.lower() == chosen.activation:
            raise OptionError(
                f"the network ends with {chosen.activation}, and the loss {chosen.name} contains it already: leave the"
                " activation of the last layer out (for probabilities apply layers.Softmax or Sigmoid to what predict"
                " returns)"
            )
        self.optimizer, self.loss = optimizers.get(optimizer), chosen
        self.metrics = [get_metric(metric) for metric in metrics or ()]

    def last_layer(self) -> Layer | None:
        """The layer that the output comes from, where that can be told."""
        return None

    def fit(
        self,
        x: Data,
        t: Data,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: int | Literal["auto"] = "auto",
        callbacks: Iterable[Callback] = (),
        validation_split: float = 0.0,
        validation_data: tuple[Data, Data] | None = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        validation_freq: int = 1,
    ) -> History:
        """Train on samples x (N, ...) with targets t (N, ...), and return the history of losses and metrics by epoch.

        validation_data: (x, t), evaluated every `validation_freq` epochs; or validation_split: this last share of the
        data. verbose: 0 quiet, 1 a progress bar, 2 a line per epoch; "auto" is 1 on a terminal and 0 elsewhere.
        `epochs` is the number of the last epoch: training goes from initial_epoch to epochs, as in Keras.
        Ctrl-C ends training at once: callbacks finish, `model.history` is kept, and KeyboardInterrupt goes on.
        """
        return training.fit(
            self,
            x,
            t,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            initial_epoch=initial_epoch,
            validation_freq=validation_freq,
        )

    def evaluate(
        self, x: Data, t: Data, batch_size: int = 256, verbose: int | Literal["auto"] = 0, return_dict: bool = False
    ) -> Any:
        """[loss, metric, ...] in inference mode (the loss alone without metrics), or a dict of them by name."""
        results = training.evaluate(self, x, t, batch_size, verbose)
        if return_dict:
            return results
        return list(results.values()) if len(results) > 1 else results["loss"]

    def predict(self, x: Data, batch_size: int = 256, verbose: int | Literal["auto"] = 0) -> np.ndarray:
        """The outputs for samples x in inference mode, batch by batch; NumPy in, NumPy out."""
        return training.predict(self, x, batch_size, verbose)

    def train_on_batch(self, x: Data, t: Data) -> float:
        """One step of the optimizer on one batch; returns the loss before the step."""
        return training.train_on_batch(self, x, t)

    # ---- weights and files -----------------------------------------------------------------------------------------

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all parameters' values, in the order of `parameters()`."""
        return [np.array(p.backend.to_numpy(p.value)) for p in self.parameters()]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Put back what `get_weights` gave."""
        parameters = self.parameters()
        if len(weights) != len(parameters):
            raise ShapeError(f"{self.label} has {len(parameters)} parameters, {len(weights)} arrays were given")
        for parameter, weight in zip(parameters, weights, strict=True):
            parameter.value = weight

    def save(self, path: str | os.PathLike[str]) -> None:
        """Network and weights in one safetensors file, which `xpnet.load` reads. Written whole or not at all."""
        checkpoint.save(self, path)

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """The weights alone, by name, in safetensors."""
        checkpoint.save_weights(self, path)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read what `save_weights` or `save` wrote into this network; every name and shape must match."""
        checkpoint.load_weights(self, path)

    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print each layer's output shape and number of parameters."""
        from xpnet.summary import summary

        print_fn(summary(self))


class Sequential(Model):
    """Layers in a chain: `Sequential([layers.Flatten(), layers.Dense(10)])`."""

    kind = "sequential"

    def __init__(self, layers: Iterable[Layer] = (), name: str | None = None) -> None:
        super().__init__(name)
        self.layers: list[Layer] = []
        for layer in layers:
            self._append(layer)

    def add(self, layer: Layer) -> None:
        """Put a layer at the end."""
        if type(self) is not Sequential:
            raise OptionError(
                f"{type(self).__name__} is complete as it is; to extend it, make a Sequential([*model.layers, ...])"
            )
        self._append(layer)
        if self._built:
            layer._move(self.backend, self.dtype)
            self.build(self.input_shape or ())

    def _append(self, layer: Layer) -> None:
        if not isinstance(layer, Layer):
            raise OptionError(f"{self.label}: {layer!r} is no layer; give objects such as layers.Dense(10)")
        if layer.name is None:  # conv1, conv2, dense1, ...
            numbers = [int(n) for known in self.layers if (n := (known.name or "").removeprefix(layer.kind)).isdigit()]
            layer.name = f"{layer.kind}{max(numbers, default=0) + 1}"
        if any(known.name == layer.name and known is not layer for known in self.layers):
            raise OptionError(f"{self.label}: two layers have the name {layer.name!r}; give each a name of its own")
        self.layers.append(layer)

    def children(self) -> Iterator[tuple[str, Layer]]:
        for layer in self.layers:
            yield layer.name or layer.kind, layer

    def last_layer(self) -> Layer | None:
        last = self.layers[-1] if self.layers else None
        if isinstance(last, Model):
            return last.last_layer()
        inner = [child for _, child in last.children()] if last else []
        return inner[-1] if inner else last

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]

    def call(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        shape: Shape = tuple(x.shape[1:])
        backs: list[Back] = []
        for layer in self.layers:
            x, back = layer.forward(x, train=train)
            backs.append(back)
        self._note_inputs((shape,))  # now that every layer has taken it
        spent = not backs

        def back_all(dy: Array, need_dx: bool = True) -> Array:
            nonlocal spent
            if spent and self.layers:
                raise OptionError(
                    f"{self.label}: back was called twice; run forward again (its arrays are freed on the way back)"
                )
            spent = True
            first = 0 if need_dx else self._first_trained()
            while len(backs) > first:
                layer, back = self.layers[len(backs) - 1], backs.pop()  # popped: its arrays are freed after use
                last = len(backs) == first and not need_dx
                dy = back(dy, need_dx=False) if last and layer.skips_dx else back(dy)
            backs.clear()
            return dy

        return x, back_all

    def _first_trained(self) -> int:
        """The index of the first layer with parameters: nobody asks for a gradient in front of it."""
        for index, layer in enumerate(self.layers):
            if any(True for _ in layer.named_parameters()):
                return index
        return 0

    def build(self, shape: Shape) -> Shape:
        if not self._built:
            self.input_shapes = (tuple(shape),)
        for layer in self.layers:
            if layer._built and not isinstance(layer, Model):
                shape = layer.output_shape(shape)
            else:
                layer._dtype = self.dtype
                shape = layer.build(shape)
        self._built = True
        return shape

    def output_shape(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape
