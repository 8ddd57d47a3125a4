"""Networks as estimators of scikit-learn, for its pipelines, grid search and cross-validation.

    from xpnet.sklearn import Classifier

    search = GridSearchCV(Classifier(epochs=20), {"hidden": [(50,), (100, 50)], "lr": [0.001, 0.003]})

They need `pip install "xpnet[sklearn]"`.
"""

from xpnet.errors import MissingExtraError

try:
    from sklearn.utils.validation import validate_data  # noqa: F401 (the youngest of what is needed)
except ImportError as error:
    raise MissingExtraError(
        f'xpnet.sklearn needs scikit-learn 1.6 or newer ({error}). Install it: pip install "xpnet[sklearn]"'
    ) from error

from xpnet.sklearn.classifier import Classifier
from xpnet.sklearn.regressor import Regressor

__all__ = ["Classifier", "Regressor"]
