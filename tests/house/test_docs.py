"""The reading matter is true: its code runs, its excerpts stand in the source, and what it names exists."""

import inspect
import re
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import xpnet
from xpnet import Model, Sequential, datasets, layers, losses, optimizers
from xpnet.backend import Array, backend_names, use_backend
from xpnet.cli import xpnet as command_line
from xpnet.errors import BackendError, XpnetError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md", "docs/guide.md", "docs/backends.md", "docs/names.md", "docs/results.md", "docs/tour.md",
    "docs/extending.md", "docs/own_data.md", "docs/examples.md", "docs/scale.md", "CONTRIBUTING.md", "CHANGELOG.md",
)  # fmt: skip
READMES = ("README.md", "README.zh-CN.md")
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXTS[page], re.MULTILINE | re.DOTALL)


def file_of(block: str) -> str | None:
    """The file that an excerpt names on its first line; None for a script."""
    found = re.match(r"# (\S+\.py)\n", block)
    return found[1] if found else None


EXCERPTS = [block for page in PAGES for block in blocks(page, "python") if file_of(block)]
SCRIPTS = [
    pytest.param(block, id=f"{page} {number}")
    for page in PAGES
    for number, block in enumerate(blocks(page, "python"))
    if not file_of(block)
]


@pytest.fixture(scope="module")
def digits() -> tuple[Array, Array]:
    """The first of MNIST's test images."""
    x, t = datasets.mnist()[1]
    return x[:300], t[:300]


@pytest.fixture
def small_mnist(digits: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A few digits for whoever asks for all of MNIST, and a folder with a few photos in it, to leave files in."""
    x, t = digits

    def mnist(flatten: bool = False) -> Any:
        images = x.reshape(len(x), -1) if flatten else x
        return (images, t), (images[:100], t[:100])

    monkeypatch.setattr(datasets, "mnist", mnist)
    for number, image in enumerate(x[:10, 0], 1):
        photo = tmp_path / "photos" / ("cat" if number % 2 else "dog") / f"{number}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255).astype("uint8")).save(photo)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("backend_name", ["numpy", "array_api_strict"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_run_on_any_backend(
    script: str, backend_name: str, small_mnist: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with use_backend(backend_name):
        exec(compile(script, "a script in the documentation", "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out
    assert "nan" not in said
    for before, after in re.findall(r"was (\S+) and is now (\S+)", said):  # the end of the tour
        assert float(after) < float(before)


def test_there_are_scripts_and_excerpts() -> None:
    assert len(SCRIPTS) >= 5
    assert len(EXCERPTS) >= 12


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=lambda excerpt: file_of(excerpt))
def test_excerpts_stand_in_the_source(excerpt: str) -> None:
    name = file_of(excerpt)
    assert name
    quoted = excerpt.split("\n", 1)[1]
    stands = " ".join(quoted.split()) in " ".join((ROOT / name).read_text(encoding="utf-8").split())
    assert stands, f"{name} does not hold\n{quoted}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", TEXTS[page])
    missing = [link for link in links if ":" not in link and not (ROOT / page).parent.joinpath(link).exists()]
    assert not missing


def test_files_that_the_tour_names_exist() -> None:
    names = re.findall(r"`((?:xpnet|tests)/\S+)`", TEXTS["docs/tour.md"])
    assert len(names) >= 15
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 180


IN_BOTH_LANGUAGES = {
    "headings": r"^#+ ",
    "blocks of code": r"^```\w*\n(.*?)^```$",
    "names and commands": r"`[^`\n]+`",
    "links": r"\]\((?!README)([^)\s]+)\)",
    "points, rows and pictures": r"^[-|!]",
}


@pytest.mark.parametrize("what", IN_BOTH_LANGUAGES)
def test_the_readme_in_chinese_has_the_same(what: str) -> None:
    pattern = re.compile(IN_BOTH_LANGUAGES[what], re.MULTILINE | re.DOTALL)
    english, chinese = (pattern.findall((ROOT / name).read_text(encoding="utf-8")) for name in READMES)
    assert english and english == chinese


def test_the_readme_in_chinese_has_the_same_figures() -> None:
    english, chinese = (re.findall(r"\d(?:[\d.,]*\d)?", (ROOT / name).read_text(encoding="utf-8")) for name in READMES)
    assert Counter(english) == Counter(chinese)


def test_the_house_stands_as_it_is_drawn() -> None:
    house = TEXTS["README.md"].split("```\nxpnet/\n")[1].split("```")[0]
    lines = [(re.findall(r"(\w+)/", line), re.findall(r"\w+\.py", line)) for line in house.splitlines() if line]
    assert sum(len(folders) for folders, _ in lines) >= 15 and sum(len(files) for _, files in lines) >= 15
    for folders, files in lines:  # a file is in the folder of its line, or at the root of the package
        homes = [home / folders[0] if folders else home for home in (ROOT / "xpnet", ROOT)] + [ROOT / "xpnet"]
        assert [name for name in files if not any((home / name).exists() for home in homes)] == []
        around = [*homes, ROOT / "xpnet/backend", ROOT]
        assert [name for name in folders if not any((home / name).exists() for home in around)] == []


# ---- tables ---------------------------------------------------------------------------------------------------------


def known() -> dict[str, Any]:
    """What the tables call by a name of its own."""
    model = Sequential([layers.Dense(2)])
    model.build((3,))
    modules = {
        name: getattr(xpnet, name)
        for name in ("callbacks", "data", "datasets", "layers", "losses", "networks", "optimizers")
    }
    return modules | {
        "xpnet": xpnet,
        "model": model,
        "layer": model.layers[0],
        "backend": model.backend,
        "optimizer": optimizers.SGD(),
        "Parameter": xpnet.Parameter,
        "Sequential": Sequential,
    }


def rows(heading: str) -> list[list[str]]:
    """Those of the tables under a heading, on whichever page it stands."""
    (text,) = (text for text in TEXTS.values() if f"\n## {heading}" in text)
    section = text.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    table = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in table[2:]]


def codes_of(heading: str, column: int) -> list[str]:
    return [code for row in rows(heading) for cell in row[column:] for code in re.findall(r"`([^`]+)`", cell)]


NAMES = [*codes_of("From the names", 1), *codes_of("Where Keras", 3), *codes_of("Errors", 1)]
CALLS = re.compile(r"\b([a-zA-Z]+(?:\.\w+)+)(?:\(([^()]*(?:\([^()]*\))?[^()]*)\))?")


def test_the_names_in_the_tables_exist() -> None:
    names, found = known(), 0
    for code in NAMES:
        for path, arguments in CALLS.findall(code):
            first, *rest = path.split(".")
            if first not in names:
                assert re.match(r"conv\d|numpy|torch|GradientTape", first), code
                continue
            thing = names[first]
            for attribute in rest:
                thing = getattr(thing, attribute)
            found += 1
            for option in re.findall(r"(\w+)=", arguments):
                assert option in inspect.signature(thing).parameters, code
    assert found >= 50


def test_the_options_in_the_tables_exist() -> None:
    for code in NAMES:
        option = re.match(r"(\w+)=(.*)", code)
        if option:
            makers: tuple[Callable[..., Any], ...] = (layers.Conv2D, layers.Dense, optimizers.SGD)
            assert any(option[1] in inspect.signature(maker).parameters for maker in makers), code


def test_the_numbers_of_parameters_are_those_of_the_networks() -> None:
    for network in (xpnet.networks.SimpleConvNet(), xpnet.networks.DeepConvNet()):
        assert f"{sum(p.size for p in network.parameters()):,}" in TEXTS["docs/results.md"]


def test_every_backend_has_its_row() -> None:
    assert {row[0].strip("`") for row in rows("Backends")} == set(backend_names())


def test_the_changelog_names_every_layer() -> None:
    assert [name for name in layers.__all__ if name != "Layer" and f"`{name}`" not in TEXTS["CHANGELOG.md"]] == []


# ---- errors and commands --------------------------------------------------------------------------------------------


class Doubled(Model):
    def call(self, x: Any) -> Any:
        return x * 2


def provoke() -> list[Callable[[], Any]]:
    """The mistakes of the table of errors, in its order."""
    compiled = Sequential([layers.Flatten(), layers.Dense(3)])
    compiled.compile()
    pixels: Array = np.zeros((4, 1, 2, 2), np.uint8)
    return [
        lambda: Sequential([layers.Conv2D(4, 3), layers.Dense(10)]).build((1, 28, 28)),
        lambda: Sequential([layers.Dense(10), layers.Softmax()]).compile(loss=losses.SoftmaxCrossEntropy()),
        lambda: compiled.fit(pixels, np.zeros(4, np.int64)),
        lambda: Doubled().forward(np.zeros((4, 3), np.float32), train=True),
        lambda: use_backend("cupy"),
    ]


@pytest.mark.parametrize("row", range(5))
def test_the_errors_read_as_the_table_says(row: int) -> None:
    said = rows("Errors")[row][0].strip("`")
    try:
        provoke()[row]()
    except BackendError as error:  # which part of it is missing depends on the machine
        assert str(error).startswith("backend 'cupy': ")
    except XpnetError as error:
        assert str(error).startswith(said)
    else:
        assert "cupy" in said, "no error"


COMMANDS = [
    re.sub(r"^[A-Z_]+=\w+ ", "", line)
    for page in PAGES
    for block in blocks(page, "sh")
    for line in block.splitlines()
    if re.search(r"\b(xpnet|make) ", line)
]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_are_understood(line: str) -> None:
    program, name, *arguments = shlex.split(line)
    if program == "make":
        assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return
    command = command_line.commands[name]
    command.make_context(name, arguments)  # parses, and runs nothing
