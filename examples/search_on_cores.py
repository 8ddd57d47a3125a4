"""Search for the settings of a network on all cores: scikit-learn's GridSearchCV and cross_validate, in processes.

Run it: python examples/search_on_cores.py
It needs scikit-learn: pip install "xpnet[sklearn]". Each process gets settings and images and gives back scores; its
threads keep to its share of the cores. The numbers do not depend on how many processes there are.
"""

import argparse
import os
import sys
import time

from xpnet import datasets
from xpnet.errors import MissingExtraError

GRID = {"hidden": [(30,), (100,)], "lr": [0.0003, 0.003], "dropout": [0.0, 0.3]}


def main() -> None:
    parser = argparse.ArgumentParser(description="Search for the settings of a network on all cores, on MNIST.")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes; by default as many as cores"
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=1000, help="the number of images to search with")
    args = parser.parse_args()
    try:
        from xpnet.sklearn import Classifier
    except MissingExtraError as error:
        sys.exit(f"search_on_cores: {error}")
    from joblib import parallel_config
    from sklearn.model_selection import GridSearchCV, cross_validate

    (x, t), (x_test, t_test) = datasets.mnist()
    x, t = x[: args.limit].reshape(-1, 784), t[: args.limit]
    network = Classifier(epochs=args.epochs, batch_size=50, random_state=0)

    # processes of joblib's own, loky, which is what n_jobs=2 means, too; inner_max_num_threads= is for other shares
    with parallel_config(backend="loky", n_jobs=args.workers):
        start = time.perf_counter()
        search = GridSearchCV(network, GRID, cv=args.folds).fit(x, t)
        seconds = time.perf_counter() - start
        several = cross_validate(search.best_estimator_, x, t, cv=args.folds, return_estimator=True)

    results = search.cv_results_
    for place in results["mean_test_score"].argsort()[::-1]:
        print(f"accuracy {results['mean_test_score'][place]:.3f} with {results['params'][place]}")
    fits = len(results["params"]) * args.folds + 1
    print(f"best: {search.best_params_}; {fits} networks in {seconds:.1f} s on {args.workers} processes")
    scores = several["test_score"]
    print(f"once more, with the networks kept: accuracy {scores.mean():.3f} ± {scores.std(ddof=1):.3f}")
    kept = [each.score(x_test.reshape(-1, 784), t_test) for each in several["estimator"]]
    print("on the test images:", ", ".join(f"{score:.3f}" for score in kept))
    print(f"the best one, trained on all {len(x)} images: {search.score(x_test.reshape(-1, 784), t_test):.3f}")


if __name__ == "__main__":
    main()
