"""Every family of objects is looked up by name in one way."""

from collections.abc import Callable
from typing import Any

import pytest

from xpnet import initializers, losses, metrics, optimizers, regularizers
from xpnet.errors import OptionError
from xpnet.layers.activations import activation_layer

FAMILIES: list[tuple[Callable[[Any], Any], str, str]] = [
    (losses.get, "MSE", "there is no loss 'Nothing'; choose one of softmax_cross_entropy, .*, or give a Loss"),
    (
        metrics.get,
        "Top_K",
        r"there is no metric 'Nothing'; choose one of accuracy, top_5 \(or any k\), .*, or give a Metric",
    ),
    (optimizers.get, "AdamW", "no optimizer 'Nothing'; choose one of sgd, .*, adamw, .*, or give an Optimizer"),
    (
        regularizers.get,
        "L1_L2",
        r"no regularizer 'Nothing'; choose one of l1, l2, l1_l2, or give an object: regularizers",
    ),
    (initializers.get, "He", "no initializer 'Nothing'; choose one of he_normal, .*, a standard deviation, or an Init"),
    (
        activation_layer,
        "ReLU",
        "there is no activation 'Nothing'; choose one of relu, .*, log_softmax, .*, or give a layer",
    ),
]
families = pytest.mark.parametrize(("get", "name", "words"), FAMILIES, ids=[words[:24] for _, _, words in FAMILIES])


@families
def test_names_are_found_in_any_case_and_objects_are_left_alone(
    get: Callable[[Any], Any], name: str, words: str
) -> None:
    found = get(name)
    assert type(get(name.lower())) is type(found)
    assert get(found) is found


@families
def test_what_is_not_there_is_refused_with_the_choices(get: Callable[[Any], Any], name: str, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        get("Nothing")
    kind = type(get(name))
    with pytest.raises(OptionError, match=rf"^give an object, not the class: {kind.__name__}\(\.\.\.\)$"):
        get(kind)
