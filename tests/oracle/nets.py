"""Networks in plain PyTorch, with torchvision's names, written from the papers: what those of xpnet are held against.

Sizes can be made small; everything else is as in torchvision, which need not be installed.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def norm(maps: int) -> nn.Module:
    return nn.BatchNorm2d(maps)


# ---- AlexNet: Krizhevsky, 2014 ---------------------------------------------------------------------------------------


class AlexNet(nn.Module):
    def __init__(self, classes: int, hidden: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(256 * 36, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Any:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# ---- VGG: Simonyan and Zisserman, 2015 -------------------------------------------------------------------------------


class VGG(nn.Module):
    def __init__(self, stages: Sequence[Sequence[int]], hidden: int, classes: int, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        maps = 3
        for stage in stages:
            for filters in stage:
                layers += [nn.Conv2d(maps, filters, 3, padding=1), *([norm(filters)] if batch_norm else []), nn.ReLU()]
                maps = filters
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(maps * 49, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(),
            nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Any:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


# ---- ResNet: He et al., 2016 -----------------------------------------------------------------------------------------


class BasicBlock(nn.Module):
    def __init__(self, maps: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(maps, filters, 3, stride, 1, bias=False)
        self.bn1 = norm(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = norm(filters)
        self.downsample = _downsample(maps, filters, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    def __init__(self, maps: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(maps, filters, 1, bias=False)
        self.bn1 = norm(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, stride, 1, bias=False)
        self.bn2 = norm(filters)
        self.conv3 = nn.Conv2d(filters, 4 * filters, 1, bias=False)
        self.bn3 = norm(4 * filters)
        self.downsample = _downsample(maps, 4 * filters, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))
        return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def _downsample(maps: int, filters: int, stride: int) -> nn.Module:
    if stride == 1 and maps == filters:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(maps, filters, 1, stride, bias=False), norm(filters))


class ResNet(nn.Module):
    def __init__(self, blocks: Sequence[int], filters: int, bottleneck: bool, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, filters, 7, 2, 3, bias=False)
        self.bn1 = norm(filters)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        kind: Any = Bottleneck if bottleneck else BasicBlock
        maps = filters
        for stage, count in enumerate(blocks):
            layers = []
            for number in range(count):
                layers.append(kind(maps, filters, 2 if stage and not number else 1))
                maps = filters * (4 if bottleneck else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
            filters *= 2
        self.stages = len(blocks)
        self.fc = nn.Linear(maps, classes)

    def forward(self, x: Tensor) -> Any:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


# ---- MobileNetV2: Sandler et al., 2018 -------------------------------------------------------------------------------


def _conv_norm(maps: int, filters: int, size: int, stride: int = 1, groups: int = 1) -> nn.Module:
    convolution = nn.Conv2d(maps, filters, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, norm(filters), nn.ReLU6())


class InvertedResidual(nn.Module):
    def __init__(self, maps: int, filters: int, stride: int, expansion: int) -> None:
        super().__init__()
        inside = maps * expansion
        self.conv = nn.Sequential(
            *([_conv_norm(maps, inside, 1)] if expansion > 1 else []), _conv_norm(inside, inside, 3, stride, inside),
            nn.Conv2d(inside, filters, 1, bias=False), norm(filters),
        )  # fmt: skip
        self.adds = stride == 1 and maps == filters

    def forward(self, x: Tensor) -> Any:
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    TABLE = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers, maps = [_conv_norm(3, 32, 3, 2)], 32
        for expansion, filters, count, stride in self.TABLE:
            for number in range(count):
                layers.append(InvertedResidual(maps, filters, 1 if number else stride, expansion))
                maps = filters
        self.features = nn.Sequential(*layers, _conv_norm(320, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Any:
        return self.classifier(self.features(x).mean((2, 3)))
