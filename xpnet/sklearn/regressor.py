"""A network that learns numbers, as an estimator of scikit-learn."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d

from xpnet.errors import DataError
from xpnet.sklearn.estimator import Estimator


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
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
