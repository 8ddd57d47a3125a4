"""docs/tables.md, made from the code: `python -m tests.house.tables` writes it; test_tables.py holds it to the code."""

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from xpnet import layers, losses, metrics, networks, optimizers
from xpnet.cli.layer_cases import LAYER_CASES
from xpnet.losses.class_loss import ClassLoss

Column = Callable[["Entry"], str]

ROOT = Path(__file__).parents[2]
BOOK = "the book's "
NAMES = ("numpy", "reference", "array_api_strict", "torch", "cupy")  # of the backends that tests go through
PAGE = ROOT / "docs" / "tables.md"

HEAD = """# Tables of everything

All layers, losses, metrics, optimizers and networks: what each computes, by the first sentence of its docstring, where
it was published, and what it is called in PyTorch, in Keras and in Saitoh's *Deep Learning from Scratch* ("the book").
The last column says on which backends its tests run; "all" are {backends}.
This page is made from the code by `python -m tests.house.tables`.
"""


class Entry(NamedTuple):
    """A class that users see, and what its docstring says."""

    cls: type

    @property
    def name(self) -> str:
        return self.cls.__name__

    @property
    def text(self) -> str:
        """The docstring, if it is the class's own, on one line."""
        return " ".join((vars(self.cls).get("__doc__") or "").split())

    @property
    def first_sentence(self) -> str:
        """Without the paper behind it, which has a column of its own."""
        sentence = re.split(r"(?<!\.)(?<!\bal)\.(?=\s|$)", self.text, maxsplit=1)[0]
        return re.sub(r"\s*\((?:van )?[A-Z][^()]*, \d{4}\)$", "", sentence)

    @property
    def elsewhere(self) -> list[str]:
        """What others call it: "torch.nn.Conv2d", "keras.layers.Conv2D", "the book's Convolution"; perhaps with
        arguments or a remark behind it.
        """
        _, said, names = self.text.partition(" Elsewhere: ")
        return re.split(rf"[;,] (?=torch|keras|sklearn|{BOOK})", names.removesuffix(".")) if said else []

    @property
    def sources(self) -> list[str]:
        """Its papers and books: "LeCun et al., 1989"; what stands between authors and year is left out."""
        name = r"(?:van )?[A-Z][\w'’-]+"
        authors, title = rf"({name}(?:(?:, {name})*,? and {name}|(?:, {name})* et al\.)?)", r'(?:["*][^"*]+["*][^.]*?)?'
        return [", ".join(found) for found in re.findall(rf"{authors}, {title},? ?(\d{{4}})", self.text)]

    @property
    def link(self) -> str:
        return f"[{self.name}](../{Path(inspect.getfile(self.cls)).relative_to(ROOT)})"


def exported(module: Any, *bases: type) -> list[Entry]:
    """The classes that a room exports, in its order, without those that others are made from."""
    found = [getattr(module, name) for name in module.__all__]
    return [Entry(each) for each in found if inspect.isclass(each) and each not in bases]


def all_entries() -> dict[str, list[Entry]]:
    """By room."""
    return {
        "Layers": exported(layers, layers.Layer),
        "Losses": exported(losses, losses.Loss),
        "Metrics": exported(metrics, metrics.Metric),
        "Optimizers": exported(optimizers, optimizers.Optimizer, optimizers.State, optimizers.Group),
        "Networks": exported(networks),
    }


# ---- columns ---------------------------------------------------------------------------------------------------------


def formula(entry: Entry) -> str:
    return escaped(entry.first_sentence)


def papers(entry: Entry) -> str:
    return "; ".join(dict.fromkeys(map(escaped, entry.sources)))


OWNERS = {
    "PyTorch": ("torch.", "torchvision.", "torchmetrics."),
    "Keras": ("keras.",),
    "scikit-learn": ("sklearn.",),
    "the book": (BOOK,),
}


def names_of(owner: str) -> Column:
    """What PyTorch and what is made for it, or Keras, scikit-learn or the book calls it."""
    starts = OWNERS[owner]

    def names(entry: Entry) -> str:
        own = [name.removeprefix(BOOK) for name in entry.elsewhere if name.startswith(starts)]
        return ", ".join(re.sub(r"^[\w.]+", r"`\g<0>`", name) for name in own)

    return names


def shapes(entry: Entry) -> str:
    """Of the inputs and outputs of the layer's first row in the table of layers."""
    case = next(case for case in LAYER_CASES if type(case.make()) is entry.cls)
    given, made = case.shapes, case.make().build(*case.shapes)
    outputs = made if made and isinstance(made[0], tuple) else (made,)
    return f"{', '.join(map(batch, given))} → {', '.join(map(batch, outputs))}"


def batch(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(["N", *map(str, shape)]) + ("" if shape else ",") + ")"


def targets(entry: Entry) -> str:
    return "class numbers, or a row for each" if issubclass(entry.cls, ClassLoss) else "as the outputs"


def state(entry: Entry) -> str:
    return ", ".join(f"`{slot}`" for slot in entry.cls().slots)


def input_of(entry: Entry) -> str:
    """The input that it is made for, if it is made for one."""
    shape = inspect.signature(entry.cls).parameters.get("input_shape")
    return batch(shape.default) if shape and isinstance(shape.default, tuple) else ""


def parameters(entry: Entry) -> str:
    """How many, as the docstring says it."""
    count = re.search(r"[\d,]+(?= parameters)", entry.text)
    return count[0] if count else ""


def backends(entry: Entry) -> str:
    """ "all" if a file of tests names it in which some test goes through all of them; of layers, the laws do."""
    if any(type(case.make()) is entry.cls for case in LAYER_CASES):
        return "all"
    named = [text for text in texts_of_tests() if re.search(rf"\b{entry.name}\b", text)]
    if any(re.search(r"^def test_\w+\([^)]*\bbackend: Backend\b", text, re.MULTILINE) for text in named):
        return "all"
    return "numpy" if named else ""


@functools.cache
def texts_of_tests() -> list[str]:
    rooms = ("laws", "losses", "metrics", "networks", "optimizers", "training")
    return [path.read_text(encoding="utf-8") for room in rooms for path in sorted((ROOT / "tests" / room).glob("*.py"))]


def escaped(text: str) -> str:
    """For a cell of a table: what Markdown would take for its own is as it is, but for what stands in backticks."""
    parts = text.replace("|", "\\|").split("`")
    parts[::2] = [re.sub(r"([*_<\[\]])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


# ---- the page --------------------------------------------------------------------------------------------------------

ELSEWHERE: dict[str, Column] = {owner: names_of(owner) for owner in ("PyTorch", "Keras", "the book")}
OF_METRICS: dict[str, Column] = {owner: names_of(owner) for owner in ("PyTorch", "Keras", "scikit-learn")}
COLUMNS: dict[str, dict[str, Column]] = {
    "Layers": {"what it computes": formula, "for example": shapes, "source": papers},
    "Losses": {"what it computes": formula, "targets": targets, "source": papers},
    "Metrics": {"what it computes": formula, "source": papers},
    "Optimizers": {"what it computes": formula, "keeps for each parameter": state, "source": papers},
    "Networks": {"what it is": formula, "input": input_of, "parameters": parameters, "source": papers},
}


def table(title: str, entries: list[Entry]) -> Iterator[str]:
    columns = COLUMNS[title] | (OF_METRICS if title == "Metrics" else ELSEWHERE) | {"backends": backends}
    yield f"\n## {title}\n"
    yield f"| | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for entry in entries:
        yield f"| {entry.link} | {' | '.join(column(entry) for column in columns.values())} |"


def draw() -> str:
    head = HEAD.format(backends=", ".join(f"`{name}`" for name in NAMES))
    return head + "\n".join(line for title, entries in all_entries().items() for line in table(title, entries)) + "\n"


if __name__ == "__main__":
    PAGE.write_text(draw(), encoding="utf-8")
    print(f"{PAGE} is drawn")
