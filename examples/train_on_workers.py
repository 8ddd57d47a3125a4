"""LeNet-5 trained by one worker or by several: the weights are the same, bit by bit.

Run it: python examples/train_on_workers.py
On two workers: mpiexec -n 2 python examples/train_on_workers.py
Several workers need MPI: pip install "xpnet[mpi]". The more there are, the smaller is the share of each in a batch.
"""

import argparse

import xpnet
from xpnet import datasets, networks
from xpnet.files.digest import weights_sha256
from xpnet.parallel import get_communicator


def main() -> None:
    parser = argparse.ArgumentParser(description="Train LeNet-5 on as many workers as it is started with.")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--limit", type=int, default=2000, help="use this many images")
    parser.add_argument("--shards", type=int, default=8, help="parts of a batch, a power of two: these decide the bits")
    args = parser.parse_args()

    xpnet.seed(0)  # on all workers: the same weights at first, and the same order of the images
    (x, t), _ = datasets.mnist()
    model = networks.LeNet5()
    model.compile("adam", metrics=["accuracy"])
    history = model.fit(x[: args.limit], t[: args.limit], 64, args.epochs, verbose=0, shards=args.shards).history

    workers = get_communicator()
    if workers.leads:  # the others have the same to tell
        print(f"workers {workers.size}, shards {args.shards}, loss {history['loss'][-1]:.6f}")
        print(f"SHA-256 of the weights: {weights_sha256(model)}")


if __name__ == "__main__":
    main()
