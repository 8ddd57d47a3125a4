"""What both estimators have in common: the settings, `fit`, and how they go to other processes."""

import copy
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from xpnet import optimizers, random
from xpnet.backend import get_backend, make_backend, on_backend
from xpnet.base.hints import Explains
from xpnet.base.host import refuse_masked
from xpnet.callbacks import Callback
from xpnet.callbacks.base import list_callbacks
from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.layers import Dense, Dropout, Layer
from xpnet.losses import Loss
from xpnet.losses import get as get_loss
from xpnet.model import Model, Sequential
from xpnet.schedules import Schedule
from xpnet.sklearn.exchange import described, restored


class Estimator(Explains, BaseEstimator):  # type: ignore[misc]
    """What both have in common: the settings, `fit`, and the outputs of the network."""

    _loss = ""
    model_: Any
    history_: dict[str, list[float]]
    _random: Any  # the state that partial_fit goes on from

    def __init__(
        self,
        network: Callable[..., Model] | Model | None = None,
        *,
        hidden: int | Sequence[int] = (100,),
        activation: Any = "relu",
        dropout: float = 0.0,
        shape: Sequence[int] | None = None,
        epochs: int = 100,
        batch_size: int = 32,
        optimizer: str | optimizers.Optimizer = "adam",
        lr: float | Schedule | None = None,
        weight_decay: float | None = None,
        loss: str | Loss | None = None,
        validation_fraction: float = 0.0,
        callbacks: Callback | Iterable[Callback] | None = None,
        backend: str | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.network = network
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.shape = shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.loss = loss
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.backend = backend
        self.random_state = random_state
        self.verbose = verbose

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings; `deep`, those of an optimizer that is an object too, as optimizer__lr."""
        params: dict[str, Any] = super().get_params(deep)
        if deep and isinstance(self.optimizer, optimizers.Optimizer):
            params |= {f"optimizer__{name}": value for name, value in self.optimizer.config().items()}
        return params

    def set_params(self, **params: Any) -> "Estimator":
        """Change settings. optimizer__lr, or another argument of the optimizer, makes a new one that has it."""
        prefix = "optimizer__"
        own = {name.removeprefix(prefix): params.pop(name) for name in [*params] if name.startswith(prefix)}
        super().set_params(**params)
        if own:
            optimizer = optimizers.get(self.optimizer)
            settings = optimizer.config()
            if strange := own.keys() - settings.keys():
                raise OptionError(f"{type(optimizer).__name__} has no {strange.pop()!r}; it has {', '.join(settings)}")
            self.optimizer = type(optimizer)(**settings | own)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """What goes to another process: exchange.py tells how."""
        return {name: described(value) for name, value in super().__getstate__().items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({name: restored(value) for name, value in state.items()})

    def _train(
        self, x: np.ndarray, t: np.ndarray, outputs: int, sample_weight: Any, goes_on: bool | None = None
    ) -> None:
        """x (N, features), t (N,) of class numbers or (N, outputs) of numbers; sample_weight (N,) or None.

        goes_on: None to train anew, for all epochs; else for one more, with the network that there is if it is true.
        """
        seed = 0 if goes_on else int(check_random_state(self.random_state).randint(2**31 - 1))
        arrays = [self._shaped(x), t]
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, x, dtype=np.float32, ensure_non_negative=True)
            arrays = [array[weights > 0] for array in (*arrays, weights)]  # what counts for nothing is not there
            if not len(arrays[0]):
                raise DataError(f"{type(self).__name__}: all sample weights are zero: there is nothing to learn from")
            arrays[-1] = arrays[-1] / arrays[-1].mean()  # boosting gives weights that sum to 1: steps stay as long
        held_out: tuple[np.ndarray, ...] | None = None
        if self.validation_fraction and goes_on is None:
            parts = train_test_split(*arrays, test_size=self.validation_fraction, random_state=seed)
            arrays, held_out = parts[::2], tuple(parts[1::2])
        x, t, *weighted = arrays
        # copies, since no parameter of an estimator is changed by fit
        callbacks = [copy.copy(callback) for callback in list_callbacks(self.callbacks)]
        with random.preserved_state(), on_backend(self._backend()):
            if goes_on:
                model = self.model_
                random.set_state(self._random)
            else:
                random.seed(seed)
                model = self._make(x.shape[1:], outputs)
                model.compile(self._optimizer(), self._chosen_loss())
            history = model.fit(
                x,
                t,
                self.batch_size,
                self.epochs if goes_on is None else 1,
                self.verbose,
                callbacks,
                validation_data=held_out,
                sample_weight=weighted[0] if weighted else None,
            )
            self._random = random.get_state()
        before = self.history_ if goes_on else {}
        self.model_ = model
        self.history_ = {name: before.get(name, []) + values for name, values in history.history.items()}

    def _outputs(self, X: Any) -> np.ndarray:
        """The network's outputs (N, outputs), float32."""
        check_is_fitted(self)
        outputs: np.ndarray = self.model_.predict(self._shaped(self._checked(X, reset=False)))
        return outputs

    def _checked(self, X: Any, *y: Any, **options: Any) -> Any:
        """X as (N, features) of float32, and y; number and names of the features are remembered or compared."""
        if self.shape is not None and np.ndim(X) > 2 and np.shape(X)[1:] == tuple(self.shape):
            X = np.reshape(X, (len(X), -1))  # (N, C * H * W)
        with np.errstate(over="ignore", invalid="ignore"):  # what is too large becomes infinite, and is refused
            refuse_masked((X, *y))
            return validate_data(self, X, *y, dtype=np.float32, **options)

    def _shaped(self, x: np.ndarray) -> np.ndarray:
        if self.shape is None:
            return x
        shape = tuple(self.shape)
        if int(np.prod(shape)) != x.shape[1]:
            raise ShapeError(
                f"{type(self).__name__}: X has {x.shape[1]} features, which are no inputs of shape {shape}"
            )
        return x.reshape(-1, *shape)  # (N, C, H, W)

    def _backend(self) -> Any:
        return get_backend() if self.backend is None else make_backend(self.backend)

    def _make(self, shape: tuple[int, ...], outputs: int) -> Model:
        """The network for samples of this shape, built."""
        name = type(self).__name__
        if self.network is None:
            if len(shape) > 1:
                raise OptionError(
                    f"{name}: inputs of shape {shape} need a network: {name}(network=xpnet.networks.LeNet5, shape=...)"
                )
            dropout = [Dropout(self.dropout)] if self.dropout else []
            sizes: Any = self.hidden if isinstance(self.hidden, (tuple, list, np.ndarray)) else [self.hidden]
            activation = copy.deepcopy(self.activation)  # fit changes no setting, and one with parameters is built
            if isinstance(activation, Layer):
                activation.to(get_backend())  # wherever it was made
            hidden = [layer for units in sizes for layer in (Dense(units, activation=activation), *dropout)]
            model: Any = Sequential([*hidden, Dense(outputs)])
        elif isinstance(self.network, Model):
            model = self.network.copy()
            if self.backend is not None:
                model.to(self.backend)
        elif callable(self.network):
            model = self._called(self.network, classes=outputs, input_shape=shape)
        else:
            model = self.network
        if not isinstance(model, Model):
            raise self._no_network(f"it is or gives {model!r}")
        with on_backend(model.backend):
            got = model.output_shape(shape) if model.is_built else model.build(shape)
        if got != (outputs,):
            raise ShapeError(f"{name}: the network gives outputs of shape {got}, needed are {outputs} numbers a sample")
        return model

    def _called(self, make: Callable[..., Any], **arguments: Any) -> Any:
        try:
            inspect.signature(make).bind(**arguments)
        except TypeError as error:
            raise self._no_network(f"{make!r} takes other arguments ({error})") from error
        except ValueError:  # one that is not written in Python does not tell
            pass
        return make(**arguments)

    def _no_network(self, why: str) -> OptionError:
        return OptionError(
            f"{type(self).__name__}: network must be a Model, or a function or class that is called as"
            f" network(classes=..., input_shape=...) and gives one; {why}"
        )

    def _optimizer(self) -> optimizers.Optimizer:
        settings = {"lr": self.lr, "weight_decay": self.weight_decay}
        chosen = {name: value for name, value in settings.items() if value is not None}
        if isinstance(self.optimizer, optimizers.Optimizer):
            if chosen:
                raise OptionError(
                    f"{type(self).__name__}: the optimizer is an object and has its own settings; leave out"
                    f" {' and '.join(chosen)}, or give the optimizer by name"
                )
            fresh: optimizers.Optimizer = restored(described(self.optimizer))  # without the state of another training
            return copy.deepcopy(fresh)  # one of a user's class is the same object
        make: Callable[..., optimizers.Optimizer] = type(optimizers.get(self.optimizer))
        return make(**chosen)

    def _chosen_loss(self) -> Loss:
        return get_loss(self._loss if self.loss is None else self.loss)
