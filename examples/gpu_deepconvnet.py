"""Train DeepConvNet on a GPU, with its throughput and its memory shown.

Run it: python examples/gpu_deepconvnet.py --epochs 3
Needs a GPU and CuPy: `xpnet doctor` says what is missing. `--backend numpy` runs it on the CPU.
"""

import argparse
import sys
import time
from typing import Any

from tqdm import tqdm

import xpnet
from xpnet import callbacks, datasets, networks

MB = 2**20


class Gauges(callbacks.Callback):
    """A bar that shows images per second and memory; and a line for each epoch.

    It reads no loss while an epoch runs: a scalar is on the device, and to read it would be to wait for it. Without a
    wait Python runs ahead of the device, so the time of an epoch counts, which ends with one.
    """

    def __init__(self) -> None:
        self.peak = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any]) -> None:
        self.bar = tqdm(total=self.params["steps"], desc=f"epoch {epoch + 1}", unit="batch", leave=False, disable=None)
        self.start, self.first = time.perf_counter(), 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        used, held, _ = xpnet.memory()
        self.peak = max(self.peak, held)
        if batch == 0:  # the first batch compiles kernels
            xpnet.get_backend().synchronize()
            self.first = time.perf_counter() - self.start
        self.bar.set_postfix_str(f"memory {used / MB:.0f} MB used, {held / MB:.0f} held", refresh=False)
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.bar.close()
        seconds = self.model.history.seconds[-1] - self.first
        rate = (self.params["samples"] - self.params["batch_size"]) / seconds
        print(
            f"epoch {epoch + 1}: loss {logs['loss']:.4f}, test accuracy {logs['val_accuracy']:.4f},"
            f" {rate:,.0f} images/s after the first batch ({self.first:.1f} s), at most {self.peak / MB:.0f} MB held"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Train DeepConvNet on MNIST, on a GPU.")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=100)
    parser.add_argument("--limit", type=int, default=60000, help="use this many images at most")
    parser.add_argument("--backend", default="cupy")
    parser.add_argument("--out", default="deepconvnet.safetensors", help="the file to save the model in")
    args = parser.parse_args()
    try:
        xpnet.use_backend(args.backend)
        xpnet.seed(0)
        (x, t), test = datasets.mnist()
        model = networks.DeepConvNet()
        model.compile("adam", "softmax_cross_entropy", ["accuracy"])
        data, test = ([part[: args.limit] for part in pair] for pair in ((x, t), test))
        model.fit(*data, args.batch_size, args.epochs, verbose=0, validation_data=test, callbacks=[Gauges()])
        model.save(args.out)
    except xpnet.XpnetError as error:
        sys.exit(f"gpu_deepconvnet: {error}")
    print(f"saved {args.out}")


if __name__ == "__main__":
    main()
