"""One script on several backends: the same network from the same seed on each, and the loss curves laid together.

Run it: python examples/same_script.py --network lenet5 --steps 50 --backends numpy,cupy --out same.png
Of each kind one: python examples/same_script.py --network mlp lenet5 resnet20 lstm vit dcgan
From several seeds, each with a line of its own: python examples/same_script.py --seeds 8 --backends numpy,reference
Initial weights, batches, masks and noise come from the seed alone, so the curves differ by rounding (--dtype).
"""

import argparse
import itertools
import json
import sys
from functools import partial

import numpy as np

import xpnet
from xpnet import datasets, networks
from xpnet.data import Batches
from xpnet.visualize import require_matplotlib

NETWORKS = {n.__name__.lower(): n for n in (networks.MLP, networks.LeNet5, networks.SimpleConvNet)} | {
    "deepconvnet": networks.DeepConvNet,
    "resnet20": partial(networks.ResNet20, input_shape=(1, 28, 28)),
    "lstm": partial(networks.RecurrentClassifier, input_shape=(1, 28, 28)),
    "vit": partial(networks.ViT, patch=7, dropout=0.1),
    "dcgan": partial(networks.DCGAN, filters=16),
}


def train(backend: str, network: str, seed: int, args: argparse.Namespace) -> tuple[np.ndarray, list[np.ndarray]]:
    """The loss of each step (of dcgan the sum of both), and the weights after the last."""
    xpnet.seed(seed)
    x, t = datasets.mnist()[0]
    batches, losses = Batches(2 * x - 1 if network == "dcgan" else x, t, args.batch_size, shuffle=True), []
    with xpnet.use_backend(backend):
        model = NETWORKS[network]().astype(args.dtype)
        model.compile(args.optimizer, loss="softmax_cross_entropy")
        while len(losses) < args.steps:  # an epoch in each turn
            for batch in itertools.islice(batches, args.steps - len(losses)):
                losses.append(sum(model.train_on_batch(*batch, return_dict=True).values()))
        return np.array(losses), model.get_weights()


def draw(path: str, title: str, curves: dict[str, np.ndarray]) -> None:
    figure = require_matplotlib()(figsize=(7, 5), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    (first, yardstick), *others = curves.items()
    steps = np.arange(1, len(yardstick) + 1)
    above.plot(steps, yardstick, label=first, linewidth=7, alpha=0.3)
    for name, losses in others:
        line = above.plot(steps, losses, label=name, linewidth=1.3)[0]
        below.plot(steps, np.abs(losses / yardstick - 1), "o", markersize=3, color=line.get_color())
    above.set(ylabel="loss", title=title)
    above.legend()
    below.set(xlabel="step", ylabel=f"relative difference\nfrom {first}")
    below.ticklabel_format(axis="y", scilimits=(0, 0))
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=["lenet5"])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--backends", default="numpy,cupy", help="by commas; the first is the yardstick")
    parser.add_argument("--optimizer", default="adam", choices=("adam", "momentum"))
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=1, help="train from the seeds 0, 1, ... of this many")
    parser.add_argument("--out", metavar="PICTURE", help="draw the curves of one network (needs matplotlib)")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line")
    args = parser.parse_args()
    first, *others = args.backends.split(",")
    if not others or min(args.steps, args.seeds) < 1 or (args.out and len(args.network) * args.seeds > 1):
        parser.error("at least two backends and one step are needed, and one network for --out, from one seed")
    try:
        if args.out:
            require_matplotlib()  # now, and not when the training is done
        for network, seed in itertools.product(args.network, range(args.seeds)):
            runs = {name: train(name, network, seed, args) for name in (first, *others)}
            losses, weights = runs[first]
            for name in others:
                apart = max(np.abs(a - b).max() for a, b in zip(runs[name][1], weights, strict=True))
                report = dict(network=network, seed=seed, dtype=args.dtype, steps=args.steps, backends=[first, name])
                report["loss_difference"] = float(np.abs(runs[name][0] / losses - 1).max())  # relative
                report["weight_difference"] = float(apart / max(np.abs(w).max() for w in weights))
                print(json.dumps(report) if args.json else report, flush=True)
    except xpnet.XpnetError as error:
        sys.exit(f"same_script: {error}")
    if args.out:
        draw(args.out, f"{network}: one seed, {args.steps} steps", {name: run[0] for name, run in runs.items()})


if __name__ == "__main__":
    main()
