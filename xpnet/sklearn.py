"""Networks as estimators of scikit-learn, for its pipelines, grid search and cross-validation.

    from xpnet.sklearn import Classifier

    search = GridSearchCV(Classifier(epochs=20), {"hidden": [(50,), (100, 50)], "lr": [0.001, 0.003]})

They need `pip install "xpnet[sklearn]"`.
"""

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from xpnet import optimizers, random
from xpnet.analysis.predictions import as_probabilities
from xpnet.backend import get_backend, make_backend, on_backend
from xpnet.base.hints import Explains
from xpnet.base.host import refuse_masked
from xpnet.base.quiet import quiet
from xpnet.callbacks import Callback
from xpnet.callbacks.base import list_callbacks
from xpnet.errors import DataError, MissingExtraError, NonFiniteError, OptionError, ShapeError
from xpnet.layers import Dense, Dropout, Softmax
from xpnet.losses import Loss, SoftmaxCrossEntropy
from xpnet.losses import get as get_loss
from xpnet.model import Model, Sequential
from xpnet.schedules import Schedule

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data
except ImportError as error:
    raise MissingExtraError(
        f'xpnet.sklearn needs scikit-learn 1.6 or newer ({error}). Install it: pip install "xpnet[sklearn]"'
    ) from error


class _Estimator(Explains, BaseEstimator):  # type: ignore[misc]
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

    def set_params(self, **params: Any) -> "_Estimator":
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
            hidden = [layer for units in sizes for layer in (Dense(units, activation=self.activation), *dropout)]
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
            return copy.deepcopy(self.optimizer)
        make: Callable[..., optimizers.Optimizer] = type(optimizers.get(self.optimizer))
        return make(**chosen)

    def _chosen_loss(self) -> Loss:
        return get_loss(self._loss if self.loss is None else self.loss)


class Classifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A network that learns classes, whatever their labels are: numbers, strings, ...

    network: None for dense layers of the sizes `hidden`, each with `activation` and `dropout`; or a Model, of which a
    copy is trained, from the weights that it has if it is built; or a function or class that is called as
    network(classes=..., input_shape=...), as those in xpnet.networks.  shape: of one sample, such as (1, 28, 28); X
    is (N, 784) or (N, 1, 28, 28) then.

    optimizer: a name, with `lr` and `weight_decay` (None: its own defaults), or an object.  loss: None for
    softmax_cross_entropy, or an object of its class.  validation_fraction: this share of the data, drawn at random, is
    held out and gives the callbacks val_loss.  class_weight: a dict {label: weight} (1 for others), or "balanced" for
    N / (classes * samples of the class); it multiplies sample_weight, and all are scaled to a mean of 1.  callbacks:
    copies of them are used.  backend: None for the current one.  random_state: an integer, a NumPy RandomState or None;
    the same integer, the same network. xpnet's own random state stays as it was.

    After fit: classes_, model_ (the trained Model), history_ (a dict of lists), n_features_in_, feature_names_in_.
    """

    _loss = "softmax_cross_entropy"

    def __init__(
        self, network: Callable[..., Model] | Model | None = None, *, hidden: int | Sequence[int] = (100,),
        activation: Any = "relu", dropout: float = 0.0, shape: Sequence[int] | None = None, epochs: int = 100,
        batch_size: int = 32, optimizer: str | optimizers.Optimizer = "adam", lr: float | Schedule | None = None,
        weight_decay: float | None = None, loss: str | Loss | None = None,
        class_weight: Mapping[Any, float] | str | None = None, validation_fraction: float = 0.0,
        callbacks: Callback | Iterable[Callback] | None = None, backend: str | None = None, random_state: Any = None,
        verbose: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(
            network, hidden=hidden, activation=activation, dropout=dropout, shape=shape, epochs=epochs,
            batch_size=batch_size, optimizer=optimizer, lr=lr, weight_decay=weight_decay, loss=loss,
            validation_fraction=validation_fraction, callbacks=callbacks, backend=backend, random_state=random_state,
            verbose=verbose,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Classifier":
        """Train anew on X (N, features) or (N, *shape) with labels y (N,).

        sample_weight (N,), at least 0: the loss is sum_n(w[n] L[n]) / N, with the weights scaled to a mean of 1. A
        sample with the weight 0 is as if it were not there; one with the weight 2 is not the same as two of it, which
        go into batches of their own.
        """
        x, y = self._checked(X, y)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        self.classes_, t = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"Classifier: y holds 1 class only, {self.classes_[0]!r}; there is nothing to tell apart")
        self._train(x, t, len(self.classes_), self._weighted(y, sample_weight))
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "Classifier":
        """One epoch more on X and y, with the network, the optimizer's state and the random state of the call before.

        classes: all labels that will ever come, which the first call needs. validation_fraction and epochs do not
        count here.
        """
        goes_on = hasattr(self, "model_")
        if not goes_on and classes is None:
            raise OptionError(
                "Classifier: the first call of partial_fit needs classes=, all labels that will ever come"
            )
        if self.class_weight == "balanced":
            raise OptionError(
                "Classifier: partial_fit cannot balance classes of which it sees a part; give class_weight as a dict"
            )
        x, y = self._checked(X, y, reset=not goes_on)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        known = self.classes_ if goes_on else np.unique(classes)
        if classes is not None and not np.array_equal(known, np.unique(classes)):
            raise DataError(f"Classifier: classes are other ones than in the call before, which were {known}")
        if (strange := np.setdiff1d(y, known)).size:
            raise DataError(f"Classifier: the label {strange[0]} is not among classes, which are {known}")
        self.classes_ = known
        self._train(x, np.searchsorted(known, y), len(known), self._weighted(y, sample_weight), goes_on)
        return self

    def _weighted(self, y: np.ndarray, sample_weight: Any) -> Any:
        """The weights of samples, times those of their classes."""
        if self.class_weight is None:
            return sample_weight
        own = compute_sample_weight(self.class_weight, y)
        return own if sample_weight is None else own * _check_sample_weight(sample_weight, y, dtype=np.float64)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class (N, classes), in the order of classes_."""
        y = self._outputs(X)
        return as_probabilities(self.model_, y)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """The logarithm of each probability, exact also where the probability itself is too small for float32."""
        y = self._outputs(X)
        with quiet():
            if self.model_.last() is Softmax:
                y = np.log(y)
            y -= y.max(axis=1, keepdims=True)
            y -= np.log(np.exp(y).sum(axis=1, keepdims=True))
        return y

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each sample (N,). Raises NonFiniteError if there are scores that are NaN."""
        check_is_fitted(self)
        y = self._outputs(X)
        if bad := np.count_nonzero(np.isnan(y).any(axis=1)):
            raise NonFiniteError(f"Classifier: scores are NaN for {bad} of {len(y)} samples; train with a smaller lr")
        return np.asarray(self.classes_[y.argmax(axis=1)])

    def _chosen_loss(self) -> Loss:
        loss = super()._chosen_loss()
        if not isinstance(loss, SoftmaxCrossEntropy):
            raise OptionError(f"Classifier: the loss must be softmax_cross_entropy, not {self.loss!r}")
        return loss


class Regressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A network that learns numbers: one for each sample, y (N,), or several, y (N, K).

    All is as in `Classifier`, but the loss, which is mean_squared_error or any other by name or as an object, and the
    attributes after fit: there is no classes_. A function as the network is called in the same way; `classes` is then
    how many outputs there are. Targets far from the range -1 ... 1 learn faster when they are scaled, by scikit-learn's
    TransformedTargetRegressor.
    """

    _loss = "mean_squared_error"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Regressor":
        """Train anew on X (N, features) or (N, *shape) with targets y (N,) or (N, K), weighted as in `Classifier`."""
        return self._fit(X, y, sample_weight, None)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Regressor":
        """One epoch more on X and y, as in `Classifier`."""
        return self._fit(X, y, sample_weight, hasattr(self, "model_"))

    def _fit(self, X: Any, y: Any, sample_weight: Any, goes_on: bool | None) -> "Regressor":
        x, y = self._checked(X, y, multi_output=True, y_numeric=True, reset=not goes_on)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        with np.errstate(over="ignore"):
            t = y.reshape(len(y), -1).astype(np.float32)  # (N, K)
        if not np.isfinite(t).all():
            raise DataError(f"Regressor: y reaches to {np.abs(y).max()}, which is too large for float32; scale it")
        self._single, self._dtype = y.ndim == 1, y.dtype if y.dtype.kind == "f" else t.dtype
        self._train(x, t, t.shape[1], sample_weight, goes_on)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The number, or numbers, of each sample: (N,) or (N, K), as y was; in y's data type if that is a floating one,
        which does not make them more exact than float32.
        """
        y = self._outputs(X).astype(self._dtype, copy=False)
        return y[:, 0] if self._single else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
