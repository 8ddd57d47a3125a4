"""Searches and cross-validation in other processes, on one machine (loky) and on a cluster (Dask): the same bits, and
threads that do not get into each other's way.
"""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest

from xpnet import layers, optimizers
from xpnet.backend.cpu.processors import usable_cpus
from xpnet.backend.cpu.threads import thread_count
from xpnet.model import Sequential

pytest.importorskip("sklearn", reason="the extra sklearn is not installed")

import joblib
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.sklearn.samples import curve, quick, trees
from xpnet.sklearn import Regressor

pytestmark = pytest.mark.slow

WORKERS = 2


@pytest.fixture
def loky(monkeypatch: pytest.MonkeyPatch) -> Iterator[AbstractContextManager[Any]]:
    """Workers of their own, which know of no variable of the tests' process."""
    for name in ("XPNET_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    get_reusable_executor().shutdown(wait=True)
    yield joblib.parallel_config(backend="loky", n_jobs=WORKERS)
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture
def dask(monkeypatch: pytest.MonkeyPatch) -> Iterator[AbstractContextManager[Any]]:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install distributed")
    for name in ("XPNET_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with (
        distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR
        ) as cluster,
        distributed.Client(cluster),
    ):
        yield joblib.parallel_config(backend="dask", n_jobs=WORKERS)


@pytest.fixture(params=["loky", "dask"])
def workers(request: pytest.FixtureRequest) -> AbstractContextManager[Any]:
    elsewhere: AbstractContextManager[Any] = request.getfixturevalue(request.param)
    return elsewhere


def same_weights(ours: list[Any], theirs: list[Any]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        pairs = zip(one.model_.get_weights(), other.model_.get_weights(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)


def test_processes_find_what_one_finds(workers: AbstractContextManager[Any]) -> None:
    """Scores, weights and the winner, bit for bit; networks by settings, with objects among them, and by a lambda."""
    x, y = trees()
    classifier = quick(epochs=3, dropout=0.2, validation_fraction=0.2, activation=layers.LeakyReLU(0.1), lr=None)
    regressor = make_pipeline(StandardScaler(), Regressor(hidden=8, epochs=3, random_state=1))
    own = quick(epochs=2, network=lambda classes, input_shape: Sequential([layers.Dense(classes)]))
    grid = {"hidden": [(4,), (8, 4)], "optimizer": ["sgd", optimizers.Adam(0.02)]}

    def found(where: AbstractContextManager[Any]) -> tuple[Any, ...]:
        with where:
            search = GridSearchCV(classifier, grid, cv=2).fit(x, y)
            several = cross_validate(classifier, x, y, cv=2, return_estimator=True)
            numbers = cross_validate(regressor, *curve(), cv=2, return_estimator=True)
            with_lambda = cross_validate(own, x, y, cv=2, return_estimator=True)
        return search, several, numbers, with_lambda

    here, there = found(nullcontext()), found(workers)
    scores = [name for name in here[0].cv_results_ if name.endswith("_score")]
    assert all(np.array_equal(here[0].cv_results_[name], there[0].cv_results_[name]) for name in scores)
    assert repr(here[0].best_params_) == repr(there[0].best_params_)
    same_weights([here[0].best_estimator_], [there[0].best_estimator_])
    for ours, theirs in zip(here[1:], there[1:], strict=True):
        assert list(ours["test_score"]) == list(theirs["test_score"])
        same_weights(*([network_of(each) for each in one["estimator"]] for one in (ours, theirs)))


def network_of(estimator: Any) -> Any:
    """Itself, or the last step of a pipeline."""
    return estimator[-1] if hasattr(estimator, "steps") else estimator


def test_one_that_comes_back_goes_on(workers: AbstractContextManager[Any]) -> None:
    x, y = trees()
    classifier = quick(epochs=2, dropout=0.2)
    here = cross_validate(classifier, x, y, cv=2, return_estimator=True)["estimator"]
    with workers:
        there = cross_validate(classifier, x, y, cv=2, return_estimator=True)["estimator"]
    same_weights([each.partial_fit(x, y) for each in here], [each.partial_fit(x, y) for each in there])


def threads_of_workers(where: AbstractContextManager[Any]) -> set[int]:
    with where:
        return set(joblib.Parallel()(joblib.delayed(thread_count)() for _ in range(2 * WORKERS)))


def test_each_worker_has_its_share_of_the_cores(loky: AbstractContextManager[Any]) -> None:
    assert threads_of_workers(loky) == {max(usable_cpus() // WORKERS, 1)}
    chosen = joblib.parallel_config(backend="loky", n_jobs=WORKERS, inner_max_num_threads=2)
    assert threads_of_workers(chosen) == {min(usable_cpus(), 2)}


def test_each_worker_of_dask_has_one_thread(dask: AbstractContextManager[Any]) -> None:
    """As Dask tells its workers, whose tasks run in threads of their own if there are several."""
    assert threads_of_workers(dask) == {1}
