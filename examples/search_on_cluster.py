"""Search for the settings of a network on a cluster: scikit-learn's RandomizedSearchCV and cross_validate by Dask.

Run it: python examples/search_on_cluster.py
It makes a cluster of processes on this machine. On a real one run `dask scheduler` on one machine and `dask worker
tcp://THAT-MACHINE:8786` on each, with xpnet installed, and give --scheduler tcp://THAT-MACHINE:8786.
It needs Dask and scikit-learn: pip install "xpnet[examples]".
"""

import argparse
import logging
import sys
import time
from typing import Any

from xpnet import datasets, optimizers
from xpnet.errors import MissingExtraError

# no page of its own, and no word of workers that are slow to end
QUIET: dict[str, Any] = {"dashboard_address": None, "silence_logs": logging.ERROR}


def search(distributed: Any, cluster: Any, epochs: int, trials: int, limit: int) -> None:
    from joblib import parallel_config
    from scipy.stats import loguniform
    from sklearn.model_selection import RandomizedSearchCV, cross_validate

    from xpnet.sklearn import Classifier

    (x, t), (x_test, t_test) = ((x.reshape(-1, 784), t) for x, t in datasets.mnist())
    x, t = x[:limit], t[:limit]
    settings = {
        "hidden": [(30,), (100,), (100, 50)],
        "optimizer": [optimizers.AdamW(weight_decay=0.05), optimizers.Momentum(clip_norm=1.0)],
        "optimizer__lr": loguniform(1e-4, 1e-1),
    }
    network = Classifier(epochs=epochs, batch_size=50, random_state=0)

    with distributed.Client(cluster) as client, parallel_config(backend="dask"):  # all else is as on one machine
        workers = client.scheduler_info(n_workers=-1)["workers"]
        print(f"{len(workers)} workers of {sum(each['nthreads'] for each in workers.values())} threads")
        start = time.perf_counter()
        found = RandomizedSearchCV(network, settings, n_iter=trials, cv=3, random_state=0).fit(x, t)
        seconds = time.perf_counter() - start
        scores = cross_validate(found.best_estimator_, x, t, cv=3)["test_score"]

    print(f"best: hidden layers {found.best_estimator_.hidden}, {found.best_estimator_.optimizer!r}")
    print(f"accuracy of each fold: {', '.join(f'{score:.3f}' for score in scores)}")
    print(f"{3 * trials + 1} networks in {seconds:.1f} s; test accuracy {found.score(x_test, t_test):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Search for the settings of a network on a cluster, on MNIST.")
    parser.add_argument("--scheduler", help="the address of a cluster's scheduler; by default a cluster is made here")
    parser.add_argument("--workers", type=int, default=2, help="processes of the cluster that is made here")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--limit", type=int, default=1000, help="the number of images to search with")
    args = parser.parse_args()
    try:
        import distributed

        import xpnet.sklearn  # noqa: F401
    except MissingExtraError as error:
        sys.exit(f"search_on_cluster: {error}")
    except ImportError:
        sys.exit('search_on_cluster: clusters come with distributed, which is missing: pip install "xpnet[examples]"')
    if args.scheduler:  # all that a real cluster changes
        search(distributed, args.scheduler, args.epochs, args.trials, args.limit)
    else:
        with distributed.LocalCluster(n_workers=args.workers, threads_per_worker=1, **QUIET) as cluster:
            search(distributed, cluster, args.epochs, args.trials, args.limit)


if __name__ == "__main__":
    main()
