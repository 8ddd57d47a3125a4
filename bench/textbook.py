"""The yardstick: convolutional networks as a textbook writes them, in plain NumPy and float64, without xpnet.

After *Deep Learning from Scratch* (Koki Saitoh, O'Reilly Japan, 2016), in our own code: im2col over the whole batch,
one matrix product per convolution, no tricks and no deliberate slowness.
Run it: python bench/textbook.py --network deepconvnet --batch 100 --steps 5
"""

import argparse
import time

import numpy as np


def im2col(x, K, stride=1, pad=0):
    """Unfold x (N, C, H, W) into (N * OH * OW, C * K * K), a row for each place of the kernel; also OH and OW."""
    N, C, H, W = x.shape
    OH, OW = (H + 2 * pad - K) // stride + 1, (W + 2 * pad - K) // stride + 1
    x = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    col = np.zeros((N, C, K, K, OH, OW))
    for i, j in np.ndindex(K, K):
        col[:, :, i, j] = x[:, :, i : i + stride * OH : stride, j : j + stride * OW : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * OH * OW, -1), OH, OW


def col2im(col, shape, K, stride=1, pad=0):
    """The way back: fold columns into an image of the given shape, adding where windows overlap."""
    N, C, H, W = shape
    OH, OW = (H + 2 * pad - K) // stride + 1, (W + 2 * pad - K) // stride + 1
    col = col.reshape(N, OH, OW, C, K, K).transpose(0, 3, 4, 5, 1, 2)  # (N, C, K, K, OH, OW)
    x = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    for i, j in np.ndindex(K, K):
        x[:, :, i : i + stride * OH : stride, j : j + stride * OW : stride] += col[:, :, i, j]
    return x[:, :, pad : pad + H, pad : pad + W]


class Convolution:
    def __init__(self, rng, channels, filters, K, stride=1, pad=0):
        self.W = rng.standard_normal((filters, channels, K, K)) * np.sqrt(2 / (channels * K * K))  # He et al., 2015
        self.b = np.zeros(filters)
        self.window = K, stride, pad

    def forward(self, x, train):
        self.shape = x.shape
        self.col, OH, OW = im2col(x, *self.window)
        y = np.dot(self.col, self.W.reshape(len(self.W), -1).T) + self.b  # (N * OH * OW, filters)
        return y.reshape(len(x), OH, OW, -1).transpose(0, 3, 1, 2)

    def backward(self, dy):
        dy = dy.transpose(0, 2, 3, 1).reshape(-1, len(self.W))  # (N * OH * OW, filters)
        self.dW, self.db = np.dot(self.col.T, dy).T.reshape(self.W.shape), dy.sum(axis=0)
        return col2im(np.dot(dy, self.W.reshape(len(self.W), -1)), self.shape, *self.window)


class Pooling:
    def __init__(self, K, stride):
        self.window = K, stride

    def forward(self, x, train):
        self.shape = x.shape
        col, OH, OW = im2col(x, *self.window)
        col = col.reshape(-1, self.window[0] ** 2)  # (N * OH * OW * C, K * K)
        self.argmax = col.argmax(axis=1)
        return col.max(axis=1).reshape(len(x), OH, OW, -1).transpose(0, 3, 1, 2)

    def backward(self, dy):
        dcol = np.zeros((dy.size, self.window[0] ** 2))
        dcol[np.arange(dy.size), self.argmax] = dy.transpose(0, 2, 3, 1).reshape(-1)  # (N * OH * OW * C,)
        return col2im(dcol, self.shape, *self.window)


class Affine:
    def __init__(self, rng, inputs, outputs):
        self.W, self.b = rng.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs), np.zeros(outputs)

    def forward(self, x, train):
        self.shape, self.x = x.shape, x.reshape(len(x), -1)  # (N, inputs)
        return np.dot(self.x, self.W) + self.b

    def backward(self, dy):
        self.dW, self.db = np.dot(self.x.T, dy), dy.sum(axis=0)
        return np.dot(dy, self.W.T).reshape(self.shape)


class Relu:
    def forward(self, x, train):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class Dropout:  # Srivastava et al., 2014: values are dropped in training and scaled by 1 - p otherwise
    def __init__(self, rng, p=0.5):
        self.rng, self.p = rng, p

    def forward(self, x, train):
        self.mask = self.rng.random(x.shape) > self.p if train else 1 - self.p
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class SoftmaxWithLoss:
    def forward(self, x, t):
        x = x - x.max(axis=1, keepdims=True)
        log_y = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        self.y, self.t = np.exp(log_y), t
        return -log_y[np.arange(len(t)), t].mean()

    def backward(self):
        return (self.y - np.eye(self.y.shape[1])[self.t]) / len(self.t)  # y minus the one-hot labels


class Adam:  # Kingma and Ba, 2015
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        self.lr, self.beta1, self.beta2, self.step, self.m, self.v = lr, beta1, beta2, 0, {}, {}

    def update(self, params, grads):
        self.step += 1
        lr = self.lr * np.sqrt(1 - self.beta2**self.step) / (1 - self.beta1**self.step)
        for key, g in grads.items():
            self.m[key] = self.beta1 * self.m.get(key, 0) + (1 - self.beta1) * g
            self.v[key] = self.beta2 * self.v.get(key, 0) + (1 - self.beta2) * g**2
            params[key] -= lr * self.m[key] / (np.sqrt(self.v[key]) + 1e-7)


class Network:
    """A chain of layers; params is {"W1": ..., "b1": ..., "W2": ...}, labels t are integers (N,)."""

    def __init__(self, layers):
        self.layers, self.last, self.optimizer = layers, SoftmaxWithLoss(), Adam()
        self.weighted = [layer for layer in layers if hasattr(layer, "W")]
        self.params = {f"{p}{i}": getattr(layer, p) for i, layer in enumerate(self.weighted, 1) for p in "Wb"}

    def predict(self, x, train=False):
        x = np.asarray(x, dtype=np.float64)
        for layer in self.layers:
            x = layer.forward(x, train)
        return x  # (N, classes), before the softmax

    def gradient(self, x, t, train=True):
        loss = self.last.forward(self.predict(x, train), t)
        dy = self.last.backward()
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return loss, {f"{p}{i}": getattr(layer, "d" + p) for i, layer in enumerate(self.weighted, 1) for p in "Wb"}

    def train_step(self, x, t):
        loss, grads = self.gradient(x, t)
        self.optimizer.update(self.params, grads)
        return loss


def simple_conv_net(seed=0):
    r = np.random.default_rng(seed)
    return Network([Convolution(r, 1, 30, 5), Relu(), Pooling(2, 2), Affine(r, 4320, 100), Relu(), Affine(r, 100, 10)])


def deep_conv_net(seed=0):
    r, layers = np.random.default_rng(seed), []
    for channels, filters, pad in [(1, 16, 1), (16, 32, 2), (32, 64, 1)]:  # pad: of the second convolution of a pair
        layers += [Convolution(r, channels, filters, 3, pad=1), Relu()]
        layers += [Convolution(r, filters, filters, 3, pad=pad), Relu(), Pooling(2, 2)]
    return Network([*layers, Affine(r, 1024, 50), Relu(), Dropout(r), Affine(r, 50, 10), Dropout(r)])


def lenet5(seed=0):
    r = np.random.default_rng(seed)
    layers = [Convolution(r, 1, 6, 5, pad=2), Relu(), Pooling(2, 2), Convolution(r, 6, 16, 5), Relu(), Pooling(2, 2)]
    return Network([*layers, Affine(r, 400, 120), Relu(), Affine(r, 120, 84), Relu(), Affine(r, 84, 10)])


def mlp(seed=0):
    r = np.random.default_rng(seed)
    return Network([Affine(r, 784, 128), Relu(), Affine(r, 128, 10)])


def gradient_error(h=1e-5):
    """The largest difference between gradients of a small network and central differences along random directions."""
    r = np.random.default_rng(0)
    layers = [Convolution(r, 2, 3, 3, pad=2), Pooling(3, 2), Convolution(r, 3, 4, 2, stride=2, pad=1), Relu()]
    net = Network([*layers, Affine(r, 36, 5), Relu(), Dropout(r), Affine(r, 5, 3)])
    x, t, errors = r.standard_normal((4, 2, 9, 9)), np.array([0, 2, 1, 1]), []
    grads = net.gradient(x, t, train=False)[1]  # without train, so that Dropout does the same every time
    for key, value in net.params.items():
        direction, slope = r.standard_normal(value.shape), 0.0
        for step in h, -h:
            value += step * direction
            slope += net.gradient(x, t, train=False)[0] / (2 * step)
            value -= step * direction
        errors.append(abs(slope - np.sum(grads[key] * direction)))
    return max(errors)


if __name__ == "__main__":
    networks = {"deepconvnet": deep_conv_net, "simpleconvnet": simple_conv_net, "lenet5": lenet5, "mlp": mlp}
    parser = argparse.ArgumentParser(description="Speed of textbook training in NumPy float64, on random data.")
    parser.add_argument("--network", choices=networks, default="deepconvnet")
    parser.add_argument("--batch", type=int, default=100, help="images per step (default: 100)")
    parser.add_argument("--steps", type=int, default=5, help="steps timed, after one to warm up (default: 5)")
    args = parser.parse_args()
    if args.batch < 1 or args.steps < 1:
        parser.error(f"--batch and --steps must be at least 1, not {args.batch} and {args.steps}")
    print(f"largest gradient error: {gradient_error():.1e}")
    rng, net = np.random.default_rng(0), networks[args.network]()
    x, t, times = rng.random((args.batch, 1, 28, 28)), rng.integers(0, 10, args.batch), [time.perf_counter()]
    for _ in range(args.steps + 1):
        net.train_step(x, t)
        times.append(time.perf_counter())
    print(f"{args.network}, batch {args.batch}: {args.batch / np.median(np.diff(times)[1:]):.0f} images/s")
