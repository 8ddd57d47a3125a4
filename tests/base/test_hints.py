"""Names of other libraries: what is told of them, however they are asked for, and what is not."""

import contextlib
import importlib
import inspect
import io
import pydoc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import network
from xpnet.base.hints import explaining
from xpnet.errors import OptionError

LISTS = Path(__file__).parents[1] / "house" / "names_elsewhere.txt"
ROOMS = {"activations": "layers", "applications": "networks", "models": "networks", "torchmetrics": "metrics"}


def foreign_names() -> Iterator[tuple[str, str]]:
    """(room, name) of the names of the lists, and of torch's, if it is there; those of the book in all rooms."""
    room = ""
    for line in LISTS.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"\[(.*)\]", line):
            last = heading[1].rpartition(".")[2]
            room = next((ROOMS[part] for part in heading[1].split(".") if part in ROOMS), last)
        elif room and not line.startswith("#"):
            rooms = (room,) if hasattr(xpnet, room) else ("layers", "losses", "metrics", "optimizers", "networks")
            yield from ((each, name) for name in line.split() for each in rooms)
    with contextlib.suppress(ImportError):
        import torch

        for place, room in (("nn", "layers"), ("nn", "losses"), ("optim", "optimizers")):
            yield from ((room, name) for name in classes(f"torch.{place}"))
        yield from (("schedules", name) for name in classes("torch.optim.lr_scheduler"))
        yield from (("data", name) for name in classes("torch.utils.data"))
        assert torch


def classes(module: str) -> list[str]:
    there = vars(importlib.import_module(module)).items()
    return [name for name, value in there if inspect.isclass(value) and name[0] != "_"]


def test_likeness_suggests_no_other_mathematics() -> None:
    suggested, wrong = 0, []
    for room, name in foreign_names():
        try:
            getattr(getattr(xpnet, room), name)
        except AttributeError as error:
            found = re.search("perhaps (.*) is meant", str(error))
            suggested += bool(found)
            lazy = name.removeprefix("Lazy").lower().replace("_", "")  # a LazyLinear is a Linear
            if found and lazy != found[1].lower():
                wrong.append(f"{room}: {name} -> {found[1]}")
    assert not wrong
    assert suggested >= 5


@pytest.mark.parametrize("name", ["Conv3D", "MaxPool3d", "RReLU", "Softmin", "MaxUnpool2d", "EmbeddingBag"])
def test_other_things_are_not_suggested(name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'$"):
        getattr(xpnet.layers, name)


OTHER_NAMES = [
    *((xpnet.optimizers, name) for name in ("AdaMax", "QHAdam", "AdamP", "AdamS", "RMSpropW", "NAdamW", "Adan")),
    *(
        (xpnet.layers, name)
        for name in ("CReLU", "TReLU", "FReLU", "SReLU", "PELU", "Tan", "Denses", "GlobalMinPool2D")
    ),
]


@pytest.mark.parametrize(("module", "name"), OTHER_NAMES)
def test_more_letters_in_front_or_behind_make_another_name(module: object, name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'$"):
        getattr(module, name)


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("Sofmax", "Softmax"), ("Desne", "Dense"), ("Dence", "Dense"), ("Sigmiod", "Sigmoid"), ("Softplu", "Softplus"),
        ("Dropoout", "Dropout"), ("Batchnorm2d", "BatchNorm2D"), ("leaky_relu", "LeakyReLU"),
    ],
)  # fmt: skip
def test_slips_are_suggested(slip: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{slip}'; perhaps {meant} is meant"):
        getattr(xpnet.layers, slip)


@pytest.mark.parametrize(
    ("statement", "here"),
    [
        ("from xpnet.layers import MaxPooling2D", "here it is MaxPool2D"),
        ("from xpnet.layers import Conv2d", "perhaps Conv2D is meant"),
        ("from xpnet.layers import SoftmaxWithLoss", r"here it is xpnet\.losses\.SoftmaxCrossEntropy"),
        ("from xpnet.layers import Dense, Affine", "here it is Dense"),
        ("from xpnet.losses import SoftmaxWithLoss", "here it is SoftmaxCrossEntropy"),
        ("from xpnet.schedules import StepLR", "here it is Step"),  # a file
        ("from xpnet.initializers import GlorotUniform", "here it is XavierUniform"),
        ("from xpnet import Trainer", r"here it is model\.compile\(optimizer, loss\), and model\.fit\(x, t\)"),
        ("from xpnet import TwoLayerNet", r"here it is networks\.MLP"),
        ("from xpnet import numerical_gradient", r"here it is gradient_check\(layer, x\)"),
        ("from xpnet.data import to_categorical", "here it is one_hot, or not needed"),
        ("from xpnet.datasets import load_mnist", "here it is mnist"),
        ("from xpnet.networks import TwoLayerNet", "here it is MLP"),
    ],
)
def test_hints_reach_imports(statement: str, here: str) -> None:
    with pytest.raises(ImportError, match=f"cannot import name '.*' from 'xpnet.*'; {here}"):
        exec(statement, {})


def test_imports_of_what_is_there_are_left_alone() -> None:
    names: dict[str, object] = {}
    exec("from xpnet.layers import base\nfrom xpnet import doctor\nfrom xpnet.datasets import mnist", names)
    assert names["mnist"] is xpnet.datasets.mnist is xpnet.data.mnist
    assert importlib.import_module("xpnet.datasets") is xpnet.datasets is xpnet.data.datasets
    assert not hasattr(xpnet.layers, "MaxPooling2D") and not hasattr(xpnet, "Trainer")
    with pytest.raises(ImportError, match="cannot import name 'Frobnicate'"):
        exec("from xpnet.layers import Frobnicate", {})


def test_loading_as_keras_does() -> None:
    for load in (xpnet.datasets.mnist, xpnet.data.fashion_mnist, xpnet.data.cifar10):
        with pytest.raises(OptionError, match=rf"{load.__name__} has no load_data; here it is {load.__name__}\(\) its"):
            vars(load)["load_data"]()


MODULES = [
    xpnet, xpnet.data, xpnet.layers, xpnet.losses, xpnet.metrics, xpnet.optimizers, xpnet.networks, xpnet.callbacks,
    xpnet.schedules, xpnet.initializers, xpnet.regularizers, xpnet.datasets,
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_completion_and_help_show_what_there_is(module: object) -> None:
    name = vars(module)["__name__"]
    shown = set(dir(module))
    assert set(getattr(module, "__all__", ())) <= shown
    strangers = {"TYPE_CHECKING", "Callable", "Any", "explained", "imported_on_demand", "by_name", "partial", "np"}
    assert not strangers & shown
    assert all(hasattr(module, each) for each in shown)
    said = io.StringIO()
    pydoc.doc(name, output=said)
    missing = [each for each in getattr(module, "__all__", ()) if each not in said.getvalue()]
    assert not missing


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (
            lambda m: m.predict(None, training=True),
            "predict has no argument 'training'; here it is not needed: fit",
        ),
        (lambda m: m(None, training=True), "__call__ has no argument 'training'; here it is train"),
        (lambda m: m.forward(None, training=True), "forward has no argument 'training'; here it is train"),
        (lambda m: m.layers[0](None, training=True), "Dense.__call__ has no argument 'training'; here it is train"),
        (
            lambda m: m.layers[0].forward(None, training=True),
            "Dense.forward has no argument 'training'; here it is train",
        ),
        (lambda m: m.evaluate(None, training=False), "evaluate has no argument 'training'; here it is not needed"),
        (lambda m: m.fit(None, nb_epoch=3), "fit has no argument 'nb_epoch'; here it is epochs"),
        (lambda m: m.fit(None, validation_splt=0.1), "'validation_splt'; perhaps validation_split is meant"),
        (lambda m: m.fit(None, callback=[]), "'callback'; perhaps callbacks is meant"),
        (lambda m: m.train_on_batch(None, y=None), "train_on_batch has no argument 'y'; here it is t"),
        (lambda m: m.build((2,), input_shape=(2,)), "build has no argument 'input_shape'"),
        (lambda m: m.summary(print_function=print), "summary has no argument 'print_function'; it has print_fn"),
        (lambda m: m.compile(optimiser="sgd"), "compile has no argument 'optimiser'; perhaps optimizer is meant"),
        (lambda m: xpnet.layers.Dense(3, input_dim=2), "Dense has no argument 'input_dim'; here it is not needed"),
        (lambda m: xpnet.layers.Embedding(input_dim=2), "here it is vocabulary"),
    ],
)
def test_arguments_of_methods_are_explained(attempt: object, words: str) -> None:
    with pytest.raises(TypeError) as caught:
        attempt(network())  # type: ignore[operator]
    assert words in str(caught.value)


def test_a_layer_s_own_forward_is_explained() -> None:
    class Own(xpnet.Layer):
        def forward(self, x: Any, train: bool = False) -> Any:
            return x, lambda dy: dy

    with pytest.raises(TypeError, match=r"Own\.forward has no argument 'training'; here it is train; it has x, train"):
        Own().forward(np.ones((1, 2)), training=True)  # type: ignore[call-arg]


def test_errors_within_a_method_are_its_own() -> None:
    class Some:
        @explaining
        def add(self, *xs: object, train: bool = False) -> None:
            raise TypeError("own")

    with pytest.raises(TypeError, match=r"^own$"):
        Some().add(1, 2, train=True)


@pytest.mark.parametrize("name", ["get_layer", "count_params", "trainable_weights", "pop", "params", "weights"])
def test_methods_of_other_libraries_are_explained(name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'; here it is "):
        getattr(network(), name)


def test_the_loss_of_a_network_is_no_function() -> None:
    model = xpnet.networks.MLP()
    assert not model.loss
    with pytest.raises(OptionError, match=r"there is none before model\.compile\(optimizer, loss\)"):
        model.loss(None, None)  # type: ignore[misc]
    model.compile()
    with pytest.raises(OptionError, match=r"a loss is not called: value, back = losses\.SoftmaxCrossEntropy"):
        model.loss(None, None)  # type: ignore[misc]
