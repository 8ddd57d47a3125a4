"""Models: networks that can be compiled, trained, evaluated, saved and printed.

`Sequential` chains layers. A subclass of `Model` writes `call` in plain Python: core/network.py runs it. Training and
files are the floors below: training/loop.py, and files/trainable.py, which also has what a model keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from xpnet import losses, optimizers, training
from xpnet.backend import Array
from xpnet.backend.reference import dtype_name
from xpnet.base.configured import Configured, require_kept
from xpnet.base.hints import explaining
from xpnet.base.nested import as_several, first_leaf, mapped
from xpnet.base.numbered import Numbered
from xpnet.callbacks import Callback, History
from xpnet.core.chains import run_forward
from xpnet.core.declare import Shape
from xpnet.core.inputs import check_dtype, no_arrays
from xpnet.core.layer import Back, Layer
from xpnet.core.network import called_twice
from xpnet.core.outputs import NO_ARRAY, SEVERAL, Blank, gradients, gradients_for, gradients_in
from xpnet.core.parameter import FLOATS, Parameter
from xpnet.core.walk import held, refuse_depth
from xpnet.errors import OptionError, ShapeError, XpnetError
from xpnet.files import network as network_file
from xpnet.files.trainable import TrainableNetwork
from xpnet.metrics import get_several as get_metrics
from xpnet.optimizers import Optimizer
from xpnet.optimizers.own_step import refuse_miswritten
from xpnet.training.feed import EVALUATED, on_device
from xpnet.training.prepare import is_batches, prepare, prepare_own_batch, require_compiled

Data = Any  # a NumPy array or what becomes one


class Model(TrainableNetwork):
    """The base of models. A subclass makes its layers in `__init__` and joins them in `call`:

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
    history: History | None  # of the last `fit`

    # ---- Keras-like training ---------------------------------------------------------------------------------------

    @explaining
    def compile(
        self,
        optimizer: str | Optimizer = "adam",
        loss: Any = "softmax_cross_entropy",
        metrics: Any = None,
        loss_weights: Any = None,
    ) -> None:
        """Choose how to train: an optimizer, a loss and metrics, each by name or as an object; metrics in a list.

        A network whose `call` returns a dict of outputs takes a dict of losses by their names, and dicts of metrics and
        of `loss_weights` (1); one that returns a tuple takes tuples. The loss is then the weighted sum of the outputs'
        losses, and the history has each as, say, digit_loss and digit_accuracy. An output without a loss is not
        trained, and costs nothing.
        """
        refuse_depth(self)
        chosen = losses.get(loss, loss_weights)
        chosen.check_last(self.last())
        counted = get_metrics(metrics, chosen)
        names = ["loss", *(metric.name for metric in counted)]
        if len(set(names)) < len(names):
            raise OptionError(
                f"compile: every metric needs a name of its own, and not 'loss'; they are {names[1:]}:"
                " name= gives another"
            )
        refuse_miswritten(updating := optimizers.get(optimizer))
        inside = [layer for _, layer in self.named_layers() if not layer.composite]  # models may save weights alone
        require_kept(*inside, updating, chosen, *counted)
        self.optimizer, self.loss, self.metrics = updating, chosen, counted

    @explaining
    @training.failing_together()
    def fit(
        self,
        x: Data,
        t: Data = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | Literal["auto"] = "auto",
        callbacks: Callback | Iterable[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        validation_freq: int = 1,
        sample_weight: Data = None,
        class_weight: Mapping[int, float] | Literal["balanced"] | None = None,
        accumulate: int = 1,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        shards: int | None = None,
    ) -> History:
        """Train on samples x (N, ...) with targets t (N, ...), and return the history of losses and metrics by epoch.

        A model of several inputs takes a tuple of arrays, in the order of `call`, or a dict by its names; one of
        several outputs takes targets in the form of its losses. A model with a `train_step` of its own takes what that
        makes something of: x, and t and sample_weight if they are given.
        x may also be an iterable of batches (x, t) or (x, t, sample_weight), without t, batch_size (32), shuffle and
        validation_split; one without a length, such as a generator, needs steps_per_epoch, the batches of an epoch.
        validation_data: (x, t), (x, t, sample_weight) or such an iterable (validation_steps: its batches, if it is a
        generator), evaluated every `validation_freq` epochs; or validation_split: this last share of the data.
        sample_weight (N,), or (N, T) for labels (N, T), and class_weight {class: weight} (1 for others; in training
        only; "balanced" is N / (classes * samples of the class)): the loss is sum_n(w[n] L[n]) / N, w the product of
        the two; metrics are not weighted. The losses that are reported hold the penalties of regularizers. accumulate:
        a step of the optimizer takes the mean gradient of so many batches, each by what its loss is the mean over:
        samples, or labels that are not ignored.
        verbose: 0 quiet, 1 a progress bar, 2 a line per epoch; "auto" is 1 on a terminal and 2 elsewhere.
        `epochs` is the number of the last epoch: training goes from initial_epoch to epochs, as in Keras.
        shards: into how many parts, a power of two, each batch is cut; under mpiexec each worker has its share, and all
        end with the same weights, bit for bit, as one worker with as many shards. None: 8 with several workers, else 1.
        Ctrl-C ends training at once: callbacks finish, `model.history` is kept, and KeyboardInterrupt goes on. With
        callbacks.Backup(path) the next call goes on from there, also after the process was killed.
        """
        return training.fit(
            self.make_step(accumulate, training.choose_shards(shards)),
            x, t, epochs=epochs, verbose=verbose, callbacks=callbacks, initial_epoch=initial_epoch,
            validation_freq=validation_freq, batch_size=batch_size, shuffle=shuffle, sample_weight=sample_weight,
            class_weight=class_weight, steps_per_epoch=steps_per_epoch, validation_split=validation_split,
            validation_data=validation_data, validation_steps=validation_steps,
        )  # fmt: skip

    @explaining
    def evaluate(
        self, x: Data, t: Data = None, batch_size: int | None = None, verbose: int | Literal["auto"] = 0,
        return_dict: bool = False, sample_weight: Data = None, steps: int | None = None,
    ) -> Any:  # fmt: skip
        """[loss, metric, ...] in inference mode (the loss alone without metrics), or a dict of them by name.

        Data, weights and the loss are as in `fit`; batch_size is 256 for arrays. An iterable of batches without a
        length is read to its end, or for so many `steps`.
        """
        results = training.evaluate(self, x, t, batch_size, verbose, sample_weight, steps)
        return results if return_dict else list(results.values()) if len(results) > 1 else results["loss"]

    @explaining
    def predict(self, x: Data, batch_size: int | None = None, verbose: int | Literal["auto"] = 0) -> Any:
        """The outputs for samples x in inference mode, batch by batch (256); NumPy in, NumPy out; a tuple or a dict of
        arrays where there are several. x may also be an iterable of batches x, (x, t) or (x, t, sample_weight), in an
        order that it keeps; it is read to its end, and of each batch x counts.
        """
        if not verbose and batch_size is None and (y := self._plans.run_known(self, x, EVALUATED)) is not None:
            return y
        return training.predict(self, x, batch_size, verbose)

    @explaining
    def train_on_batch(self, x: Data, t: Data = None, sample_weight: Data = None, return_dict: bool = False) -> Any:
        """One step on one batch; returns the loss before it, or a dict of all that the step logs."""
        step = self.make_step()
        if is_batches(x, lists=t is None):
            raise OptionError("train_on_batch takes arrays; fit takes iterables of batches")
        batch = (prepare_own_batch if self.has_own_step else prepare)(self, x, t, sample_weight)
        with self.backend.memory_advice(len(first_leaf(batch))), self.drawing_step():
            logs = step(on_device(self, batch), f"step {self.optimizer.steps + 1 if self.optimizer else 1}")
            if return_dict or "loss" not in logs:
                return {name: float(value) for name, value in logs.items()}
            return float(logs["loss"])

    def train_step(self, batch: tuple[Any, ...]) -> dict[str, Array]:
        """What `fit` does with a batch (x, t), or (x, t, sample_weight), that is on the device; returns the losses, by
        name, of which the history keeps the mean over the epoch: over the steps that return the name.

        A subclass may write another: with several optimizers, several losses, networks that take turns. In it,
        `self.step` is the step that is under way, and has these means: compute_losses, apply_gradients (with the
        optimizer and the network of the turn, both attributes of the model, where Backup finds them), update_metrics.
        """
        x, t, *sample_weight = batch
        y, back = self.forward(*as_several(x), train=True)
        step: training.Step = self.step
        losses, loss_back = step.compute_losses(y, t, *sample_weight)
        back(loss_back(), need_dx=False)
        step.apply_gradients()
        step.update_metrics(y, t)
        return losses

    @property
    def has_own_step(self) -> bool:
        return type(self).train_step is not Model.train_step

    def make_step(self, accumulate: int = 1, shards: int = 1) -> training.Step:
        """What calls `train_step` in `fit` and `train_on_batch`, as an object that each of them makes anew."""
        if not self.has_own_step:
            require_compiled(self)
        return training.Step(self, accumulate) if shards == 1 else training.ShardedStep(self, accumulate, shards)

    # ---- what it is made of ----------------------------------------------------------------------------------------

    @explaining
    def summary(self, print_fn: Callable[[str], Any] = print) -> None:
        """Print each layer's output shape and number of parameters."""
        from xpnet.analysis.summary import summary

        print_fn(summary(self))


class Sequential(Model):
    """Layers in a chain: `Sequential([layers.Flatten(), layers.Dense(10)])`.

    Each takes the one output of the layer before; the last may give several.
    """

    kind = "sequential"

    def __init__(self, layers: Iterable[Layer] = (), name: str | None = None) -> None:
        super().__init__(name)
        self.layers: list[Layer] = []
        self._first: int | None = None  # what _first_trained found
        self._names: list[str] = []  # of the layers; a layer may have another name in another model
        self._numbered = Numbered()  # the same names, by what they begin with
        self._name_of: dict[Layer, str] = {}
        if isinstance(layers, Layer):
            raise OptionError("Sequential takes a list of layers: Sequential([layers.Flatten(), layers.Dense(10)])")
        for layer in layers:
            self._append(layer)

    def add(self, layer: Layer) -> None:
        """Put a layer at the end."""
        if type(self) is not Sequential:
            raise OptionError(
                f"{type(self).__name__} is complete as it is; to extend it, make a Sequential([*model.layers, ...])"
            )
        self._append(layer)
        if self.is_built:
            layer.to(self.backend).astype(self.dtype)
            try:
                self.build(self.input_shape or ())
            except XpnetError:
                del self.layers[-1], self._names[-1]
                self._numbered, self._name_of = Numbered(self._names), dict(zip(self.layers, self._names, strict=True))
                raise

    def _append(self, layer: Layer) -> None:
        if not isinstance(layer, Layer):
            raise OptionError(f"{self.label}: {layer!r} is no layer; give objects such as layers.Dense(10)")
        self._first = None
        if not self.layers:
            self.takes_integers = layer.takes_integers
        name = self._name_of[layer] = self._name_for(layer)
        self._names.append(name)
        self._numbered.add(name)
        self.layers.append(layer)

    def _name_for(self, layer: Layer) -> str:
        """The name that the user gave, or conv1, conv2, dense1, ..."""
        if layer in self._name_of:  # shared
            return self._name_of[layer]
        if layer.own_name is not None:
            name = str(layer.own_name)
            if name in self._numbered:
                raise OptionError(f"{self.label}: two layers have the name {name!r}; give each a name of its own")
            if not name or "." in name:
                raise OptionError(f"{self.label}: {name!r} cannot name a layer: dots part the names of a path")
            return name
        name = self._numbered.next(layer.kind)
        layer.suggest_name(name)
        return name

    def children(self) -> Iterator[tuple[str, Layer]]:
        return zip(self._names, self.layers, strict=True)

    def last(self) -> type[Layer] | None:
        return self.layers[-1].ends_with() if self.layers else None

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

    def forward(self, x: Any, train: bool = False) -> tuple[Any, Back]:
        if not self._built:
            self._build_for(x)
        if train and (planned := self._forward_by_plan(x)):
            return planned
        given, spent = x, False
        x, backs = run_forward(self.layers, x, train, self.backend)
        blanks, start = (mapped(Blank, x), Blank(given)) if isinstance(x, SEVERAL) else (Blank(x), None)

        def back_all(dy: Any, need_dx: bool = True) -> Any:
            nonlocal spent
            if spent:
                raise called_twice(self)
            if start is not None or getattr(dy, "shape", None) != blanks.shape:  # else it is as it should be
                dys = gradients_in(self.label, dy, blanks)
            spent = True
            if start is not None and all(each is None for each in dys):  # nothing depends on what the network gave
                backs.clear()
                return None if self.takes_integers else self.backend.zeros(start.shape, dtype_name(start.dtype))
            if start is not None:
                dy = gradients_for(self.layers[len(backs) - 1], dys, blanks)
            first = 0 if need_dx else self._first_trained()
            while len(backs) > first:
                layer, back = self.layers[len(backs) - 1], backs.pop()  # popped: its arrays are freed after use
                last = len(backs) == first and not need_dx
                dy = back(dy, need_dx=False) if last and layer.skips_dx else back(dy)
                if not last and isinstance(dy, NO_ARRAY):
                    if dy is None and layer.takes_integers:
                        break  # nothing in front of integers has a gradient
                    gradients(layer, dy, (self.dtype,))  # says what is wrong
            backs.clear()
            return dy

        return x, back_all

    def _build_for(self, x: Any) -> None:
        """Build for this input; whether a written network takes integers, only its first input says."""
        if not hasattr(x, "shape"):
            raise no_arrays(self, x)
        written = bool(self.layers) and self.layers[0].composite and not isinstance(self.layers[0], Sequential)
        self.build(tuple(x.shape[1:]), dtype="int64" if written and dtype_name(x.dtype) not in FLOATS else None)

    def _first_trained(self) -> int:
        """The index of the first layer with parameters: nobody asks for a gradient in front of it."""
        if self._first is None:
            first = next((i for i, layer in enumerate(self.layers) if held(layer, Parameter)), 0)  # which renames none
            if any(True for layer in self.layers[:first] for _ in layer.children()):
                return first  # until layers are added to a network inside
            self._first = first
        return self._first

    @explaining
    def build(self, shape: Shape, dtype: str | Sequence[str] | None = None) -> Any:
        return super().build(shape, dtype=dtype)

    def build_layers(self, shapes: tuple[Shape, ...], integers: tuple[bool, ...]) -> Any:
        shape: Any = shapes[0]
        if integers[0] and self.layers and self.layers[0].composite:
            self.layers[0].takes_integers = True
        for layer in self.layers:
            if not layer.is_built and layer.dtype != self.dtype:
                layer.astype(self.dtype)
        if self.layers and not self.layers[0].composite:  # another network says it itself
            check_dtype(self.layers[0], "int64" if integers[0] else self.dtype, 0)
        self.output_shape(shape)  # raises, before any layer is built, if one of them cannot take it
        for layer in self.layers:
            shape = layer.build(shape)
        return shape

    def output_shape(self, shape: Any) -> Any:
        before: Layer | None = None
        for layer in self.layers:
            if before is not None and (isinstance(shape, dict) or (shape and isinstance(shape[0], tuple))):
                raise ShapeError(
                    f"{self.label}: {before.label} gives several outputs and {layer.label} behind it takes"
                    " one: in a Sequential only the last layer may give several; write a Model with a call that takes"
                    " them apart: a, b = self.split(x)"
                )
            shape, before = layer.output_shape(shape), layer
        return shape

    def parameter_count(self, shape: Shape) -> int:
        if self.is_built:
            return super().parameter_count(shape)
        counts: dict[int, int] = {}  # a layer that comes twice counts once
        for layer in self.layers:
            counts.setdefault(id(layer), layer.parameter_count(shape))
            shape = layer.output_shape(shape)
        return sum(counts.values())


def load(path: str | os.PathLike[str], custom: type[Configured] | Iterable[type[Configured]] = ()) -> Model:
    """The model that `model.save(path)` wrote, compiled as it was.

    Classes of your own (layers, models, losses, ...) must be given in `custom`: files only hold their names.
    Raises FileError if the file cannot be read, FormatError if it is not what it should be.
    """
    model, optimizer, loss, metrics = network_file.load(path, Model, custom)
    if loss is not None and optimizer is not None:
        with network_file.refusing_damage(path):
            model.compile(optimizer, loss, metrics)
    return model
