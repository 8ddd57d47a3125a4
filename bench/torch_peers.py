"""The networks of peers.py in plain PyTorch, layer by layer, and steps of them.

Parameters have the shapes and the order of xpnet's, most of them the same names too.
"""

import copy
import sys
from collections.abc import Callable, Iterator
from itertools import cycle, pairwise
from typing import Any

import numpy as np
import torch
from peers import BATCHES, GPT, MOBILENET, NOISE, VGG, Step, differ, inputs, many
from torch import Tensor, nn
from torch.nn import functional

from xpnet.model import Model

NEAR = 1e-4  # what outputs may differ by, relative to the largest


def torch_step(
    own: Model, network: str, batch: int, channels_last: bool, train: bool = True, compiled: bool = False
) -> Step:
    """That of a twin with the weights of xpnet's `own`."""
    model = twin(own, network)
    if compiled:
        model = compile_all(model.train(train), network, batch)
    return step_of(model, network, batch, channels_last, train)


def twin(own: Model, network: str) -> nn.Module:
    """The network with the weights of xpnet's; it is an error if it has others, or makes another output of them."""
    torch.manual_seed(0)
    model = torch_network(network)
    weights = [np.array(own.backend.to_numpy(p.value)) for p in own.parameters() if p.learned]
    shapes, of_own = [tuple(p.shape) for p in model.parameters()], [weight.shape for weight in weights]
    if shapes != of_own:
        sys.exit(f"compare: PyTorch's {network} has parameters of the shapes {shapes}, and xpnet's of {of_own}")
    x = inputs(2, network)
    with torch.no_grad():
        for p, weight in zip(model.parameters(), weights, strict=True):
            p.copy_(torch.from_numpy(weight))
        y = model.eval()(torch.from_numpy(x)).numpy()
    if (gap := differ(own.predict(x), y)) > NEAR:
        sys.exit(f"compare: with the same weights PyTorch's {network} gives other outputs than xpnet's, by {gap:.1e}")
    return model


def compile_all(model: nn.Module, network: str, batch: int) -> nn.Module:
    """`torch.compile` of the network, or of both; where it cannot be done, that is said in a line."""
    from torch._dynamo.utils import counters  # here: it takes a second, and memory

    torch._dynamo.reset()  # it compiles only some forms of a function, which it shares with the networks before
    counters.clear()
    x = torch.from_numpy(inputs(batch, network))
    if isinstance(model, DCGAN):
        model.generator, model.discriminator = torch.compile(model.generator), torch.compile(model.discriminator)
    else:
        model = torch.compile(model)
    try:
        with torch.inference_mode(not model.training):
            model(x)
    except Exception as error:  # of any stage of the compiler
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        sys.exit(f"compare: torch.compile fails; it needs a C++ compiler, such as g++: {reason}")
    if not counters["frames"]["ok"]:
        print(f"compare: torch.compile leaves {network} as it is", file=sys.stderr)  # recurrent layers, for one
    return model


def step_of(
    model: nn.Module, network: str, batch: int, channels_last: bool, train: bool = True, count: int = BATCHES
) -> Step:
    """A training step of the model, or an inference, tensors in and out."""
    form = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=form).train(train)
    batches = cycle(
        tuple(array.to(memory_format=form) if array.ndim == 4 else array for array in map(torch.tensor, arrays))
        for arrays in many(batch, network, train, count)
    )
    if not train:

        def infer() -> Any:
            with torch.inference_mode():
                return model(*next(batches))

        return Step(infer)
    return adversarial_step(model, batches) if isinstance(model, DCGAN) else supervised_step(model, batches)


def restarting(model: nn.Module, *optimizers: torch.optim.Optimizer) -> Callable[[], None]:
    """What puts the weights back as they are now, and forgets the optimizers' moments."""
    first = copy.deepcopy(model.state_dict())

    def restart() -> None:
        model.load_state_dict(first)
        for optimizer in optimizers:
            optimizer.state.clear()

    return restart


def supervised_step(model: nn.Module, batches: Iterator[tuple[Tensor, ...]]) -> Step:
    optimizer, loss = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()

    def step() -> float:
        x, t = next(batches)
        optimizer.zero_grad()
        value = loss(model(x).flatten(0, -2), t.flatten())  # of sequences, a row for each element
        value.backward()
        optimizer.step()
        return float(value.detach())

    return Step(step, restarting(model, optimizer))


def adversarial_step(model: "DCGAN", batches: Iterator[tuple[Tensor, ...]]) -> Step:
    g_optimizer, d_optimizer = (
        torch.optim.Adam(part.parameters(), lr=0.0002, betas=(0.5, 0.999))
        for part in (model.generator, model.discriminator)
    )
    judge = nn.BCEWithLogitsLoss()

    def step() -> float:
        (images,) = next(batches)
        real, drawn = torch.ones(len(images), 1), torch.zeros(len(images), 1)
        fakes = model.generator(torch.randn(len(images), NOISE))
        d_optimizer.zero_grad()
        d_loss = judge(model.discriminator(images), real) + judge(model.discriminator(fakes.detach()), drawn)
        d_loss.backward()
        d_optimizer.step()

        model.discriminator.requires_grad_(False)
        g_optimizer.zero_grad()
        g_loss = judge(model.discriminator(fakes), real)
        g_loss.backward()
        g_optimizer.step()
        model.discriminator.requires_grad_(True)
        return float(d_loss.detach()) + float(g_loss.detach())

    return Step(step, restarting(model, g_optimizer, d_optimizer))


def torch_network(network: str) -> nn.Module:
    makers = {
        "mlp": mlp,
        "lenet5": lenet5,
        "simpleconvnet": simple_conv_net,
        "deepconvnet": deep_conv_net,
        "vgg": vgg,
        "resnet20": ResNet20,
        "mobilenet": mobilenet,
        "lstm": LSTMClassifier,
        "gpt": SmallGPT,
        "dcgan": DCGAN,
    }
    return makers[network]()


# ---- chains --------------------------------------------------------------------------------------------------------


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def lenet5() -> nn.Module:
    first = [nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)]
    second = [nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    dense = [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
    return nn.Sequential(*first, *second, *dense)


def simple_conv_net() -> nn.Module:
    first = [nn.Conv2d(1, 30, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    return nn.Sequential(*first, nn.Linear(4320, 100), nn.ReLU(), nn.Linear(100, 10))


def deep_conv_net() -> nn.Module:
    blocks = pairs_of_convolutions(1, [(16, 1), (32, 2), (64, 1)])
    dense = [nn.Linear(1024, 50), nn.ReLU(), nn.Dropout(), nn.Linear(50, 10), nn.Dropout()]
    return nn.Sequential(*blocks, nn.Flatten(), *dense)


def vgg() -> nn.Module:
    blocks = pairs_of_convolutions(3, [(filters, 1) for filters in VGG])
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(2048, 128), nn.ReLU(), nn.Linear(128, 10))


def pairs_of_convolutions(channels: int, plan: list[tuple[int, int]]) -> list[nn.Module]:
    """For each filters and padding of the second one, two convolutions and a pooling."""
    blocks: list[nn.Module] = []
    for filters, padding in plan:
        blocks += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
        blocks += [nn.Conv2d(filters, filters, 3, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    return blocks


# ---- ResNet20 and MobileNetV2's blocks -----------------------------------------------------------------------------


class BasicBlock(nn.Module):
    """The shortcut of a block that changes the shape has no parameters: every second pixel, and channels of zeros."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.new, self.stride = filters - channels, 1 if channels == filters else 2
        self.conv1 = nn.Conv2d(channels, filters, 3, self.stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)), inplace=True)))
        if self.new:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
        return functional.relu(y + x, inplace=True)


class ResNet20(nn.Sequential):
    def __init__(self) -> None:
        plan = [16] * 4 + [32] * 3 + [64] * 3
        blocks = [BasicBlock(*pair) for pair in pairwise(plan)]
        first = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
        super().__init__(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class InvertedResidual(nn.Module):
    def __init__(self, channels: int, filters: int, stride: int, expansion: int) -> None:
        super().__init__()
        inside, self.adds = channels * expansion, stride == 1 and channels == filters
        expand = conv_norm(channels, inside, 1) if expansion > 1 else []
        depthwise = conv_norm(inside, inside, 3, stride, groups=inside)
        self.conv = nn.Sequential(*expand, *depthwise, *conv_norm(inside, filters, 1)[:2])

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + x if self.adds else self.conv(x)


def conv_norm(channels: int, filters: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, filters, size, stride, padding=size // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(filters), nn.ReLU6(inplace=True)]


def mobilenet() -> nn.Module:
    blocks = [InvertedResidual(*each) for each in MOBILENET]
    last = MOBILENET[-1][1]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, 10)]
    return nn.Sequential(*conv_norm(3, MOBILENET[0][0], 3), *blocks, *head)


# ---- sequences -----------------------------------------------------------------------------------------------------


class LSTMClassifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.fc = nn.LSTM(28, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(x)[0][:, -1])


class Block(nn.Module):
    """Attention by the fused product that PyTorch has for it, and two dense layers; norms first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.linear1, self.linear2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        N, T, E = x.shape
        parts = self.attention(self.norm1(x)).view(N, T, 3, self.heads, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # (N, H, T, D) each
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(N, T, E))
        return x + self.linear2(functional.gelu(self.linear1(self.norm2(x)), approximate="tanh"))


class SmallGPT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = GPT["width"]
        self.embedding, self.positions = nn.Embedding(GPT["vocabulary"], width), nn.Embedding(GPT["context"], width)
        self.blocks = nn.Sequential(*(Block(width, GPT["heads"]) for _ in range(GPT["layers"])))
        self.norm = nn.LayerNorm(width)
        for table in (self.embedding, self.positions):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        y = self.blocks(self.embedding(x) + self.positions.weight[: x.shape[1]])
        return functional.linear(self.norm(y), self.embedding.weight)


# ---- a generator and a discriminator -------------------------------------------------------------------------------


class DCGAN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(
            nn.Unflatten(1, (NOISE, 1, 1)),
            nn.ConvTranspose2d(NOISE, 128, 7, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, 2, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 4, 2, padding=1), nn.Tanh(),
        )  # fmt: skip
        self.discriminator = nn.Sequential(
            nn.Conv2d(1, 64, 4, 2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, 2, padding=1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
            nn.Conv2d(128, 1, 7), nn.Flatten(),
        )  # fmt: skip

    def forward(self, noise: Tensor) -> Tensor:
        return self.generator(noise)
