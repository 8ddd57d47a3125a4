"""`xpnet.datasets` is `xpnet.data.datasets`, so that `from xpnet.datasets import mnist` works, too."""

import sys

from xpnet.data import datasets
from xpnet.data.datasets import FASHION_MNIST_CLASSES, cifar10, fashion_mnist, mnist, mnist_part, mnist_sizes

__all__ = ["FASHION_MNIST_CLASSES", "cifar10", "fashion_mnist", "mnist", "mnist_part", "mnist_sizes"]

sys.modules[__name__] = datasets
