"""docs/tables.md is what the code says, and every class in it says where it comes from and what others call it."""

import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from tests.house.tables import BOOK, NAMES, PAGE, ROOT, Entry, all_entries

ENTRIES = [entry for entries in all_entries().values() for entry in entries]
PUBLISHED = [entry for room, entries in all_entries().items() if room != "Metrics" for entry in entries]
every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)

# What has no name of its own elsewhere, and why.
NAMELESS = {
    "Autoencoder": "a network that everybody writes anew",
    "ConvAutoencoder": "a network that everybody writes anew",
    "DCGAN": "a network that everybody writes anew",
    "DoubleConv": "a part of UNet",
    "GPT": "a network that everybody writes anew",
    "InceptionNet": "a small network around GoogLeNet's block",
    "Joint": "compile makes it of several losses",
    "LeNet5": "a network that everybody writes anew",
    "LearnedPositions": "a parameter of each network elsewhere",
    "MultiColumn": "a network of one paper",
    "OfOutput": "compile makes it of several metrics",
    "Perplexity": "torchmetrics has it",
    "PaddedShortcut": "a part of CIFAR's ResNets",
    "RadialBasis": "a part of LeNet-5 of 1998",
    "RecurrentClassifier": "a network that everybody writes anew",
    "ResNet20": "of CIFAR's images, which torchvision has no networks for",
    "ResNet56": "of CIFAR's images, which torchvision has no networks for",
    "Residual": "a plus sign in each network elsewhere",
    "RubbishCrossEntropy": "the loss of LeNet-5 of 1998",
    "Sampling": "a part of VAE",
    "SinusoidalPositions": "in PyTorch's tutorials only",
    "Subsampling": "a part of LeNet-5 of 1998",
    "TableConv2D": "a part of LeNet-5 of 1998",
    "UNet": "a network that everybody writes anew",
    "VAE": "a network that everybody writes anew",
}
# What is arithmetic, or a part of a network that has its paper: nobody in particular has published it.
PLAIN = {
    "Add", "Average", "CircularPad2D", "Concat",
    "ConstantPad2D", "ConvNorm", "CosineSimilarity", "Crop2D", "DoubleConv", "Flatten", "Joint", "LogSigmoid",
    "LogSoftmax", "MeanAbsoluteError", "MeanSquaredError", "Permute",
    "ReflectionPad2D", "ReplicationPad2D", "Reshape", "Sigmoid", "Split", "TableConv2D", "TimeDistributed",
    "UpSample2D", "ZeroPad2D",
}  # fmt: skip


@cache
def known_names() -> set[str]:
    """Those of Keras, torchvision and the book, as names_elsewhere.txt has them."""
    text = Path(__file__).with_name("names_elsewhere.txt").read_text(encoding="utf-8")
    sections = re.findall(r"^\[(.+)\]\n((?:.+\n)+)", text, re.MULTILINE)
    return {
        f"{owner} {name}" if owner == BOOK.strip() else f"{owner}.{name}"
        for owner, names in sections
        for name in names.split()
    }


def test_the_page_is_made_anew() -> None:
    from tests.house.tables import draw

    assert PAGE.read_text(encoding="utf-8") == draw(), "python -m tests.house.tables writes it"


def test_all_backends_are_those_that_tests_go_through() -> None:
    assert f'"{",".join(NAMES)}"' in (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")


@every_entry
def test_it_says_what_others_call_it(entry: Entry) -> None:
    assert bool(entry.elsewhere) != (entry.name in NAMELESS)
    order = ("torch", "keras", "sklearn", BOOK)
    places = [next(i for i, start in enumerate(order) if name.startswith(start)) for name in entry.elsewhere]
    assert places == sorted(places), "PyTorch comes first, then Keras, scikit-learn and the book"


@every_entry
def test_the_names_exist(entry: Entry) -> None:
    for said in entry.elsewhere:
        found = re.match(rf"{BOOK}\w+|[\w.]+", said)
        name = found[0] if found else said
        owner = name.partition(".")[0]
        if owner not in ("torch", "sklearn"):
            assert name in known_names(), name
            continue
        pytest.importorskip(owner, reason=f"{owner} is asked for its names, and is not installed")
        module, _, last = name.rpartition(".")
        assert hasattr(importlib.import_module(module), last), name


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_it_says_where_it_was_published(entry: Entry) -> None:
    """What is for signals is published where that for images is."""
    images = next((each for each in ENTRIES if each.name == entry.name.replace("1D", "2D")), entry)
    assert bool(entry.sources or images.sources) != (images.name in PLAIN)


def test_the_lists_of_exceptions_hold_no_others() -> None:
    assert NAMELESS.keys() | PLAIN <= {entry.name for entry in ENTRIES}
