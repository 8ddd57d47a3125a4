"""A network that learns classes, as an estimator of scikit-learn."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d

from xpnet import optimizers
from xpnet.analysis.predictions import as_probabilities
from xpnet.base.quiet import quiet
from xpnet.callbacks import Callback
from xpnet.errors import DataError, NonFiniteError, OptionError
from xpnet.layers import Softmax
from xpnet.losses import Loss, SoftmaxCrossEntropy
from xpnet.model import Model
from xpnet.schedules import Schedule
from xpnet.sklearn.estimator import Estimator


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
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
    the same integer, the same network, in other processes too. xpnet's own random state stays as it was.

    It goes to other processes (n_jobs=2 of a search, or Dask), and into pickles, as settings and arrays. A function as
    the network goes as Python or joblib sends functions: by its name; joblib's loky and Dask take a lambda too.

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
