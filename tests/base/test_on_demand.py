"""Packages that import their parts when somebody asks for them hide none of them."""

import importlib
import subprocess
import sys

import pytest

import xpnet

PACKAGES = ["xpnet", "xpnet.callbacks", "xpnet.data", "xpnet.networks"]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_exported_name_is_there_and_is_listed(name: str) -> None:
    package = importlib.import_module(name)
    assert set(package.__all__) <= set(dir(package))
    assert all(getattr(package, exported) is not None for exported in package.__all__)


def test_a_module_is_an_attribute_before_it_is_imported() -> None:
    parts = "xpnet.callbacks.tensorboard", "xpnet.data.folds", "xpnet.sklearn"
    script = "import xpnet\n" + "".join(f"print({part}.__name__)\n" for part in parts)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == list(parts), done.stderr


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="perhaps EarlyStopping is meant"):
        _ = xpnet.callbacks.EarlyStoping


def test_completion_shows_the_estimators_where_they_can_be_had() -> None:
    assert ("sklearn" in dir(xpnet)) == (importlib.util.find_spec("sklearn") is not None)
    assert "sklearn" not in xpnet.__all__  # `import *` would import all of scikit-learn
