"""What is published of the package is in order: bounds, licences, the page of an index, the version.

`.ci/package` builds it and tries what is built, and `.ci/bounds` runs the tests at the bounds.
"""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import xpnet
from tests.house import bounds

ROOT = Path(__file__).parents[2]
PROJECT = bounds.read()
NEEDED = [*PROJECT["dependencies"], *(each for extra in PROJECT["optional-dependencies"].values() for each in extra)]
OTHERS = [Requirement(text) for text in NEEDED if Requirement(text).name != "xpnet"]


def index_page() -> str:
    """README.md as the hook of pyproject.toml makes a package index's page of it."""
    hook = bounds.table()["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    parts = [each.get("text") or (ROOT / each["path"]).read_text(encoding="utf-8") for each in hook["fragments"]]
    page = "".join(parts)
    for each in hook["substitutions"]:
        page = re.sub(each["pattern"], each["replacement"], page)
    return page


@pytest.mark.parametrize("required", OTHERS, ids=str)
def test_every_dependency_has_a_lower_bound(required: Requirement) -> None:
    bound = bounds.lower_bound(required.name, str(required.specifier))
    assert required.specifier.contains(bound)
    below = [spec for spec in required.specifier if spec.operator not in ("<", "<=", "!=")]
    assert [spec.operator for spec in below] in ([">="], ["=="])


def test_the_oldest_packages_are_those_of_the_bounds() -> None:
    pinned = bounds.lowest(PROJECT)
    extras = {"dev", "oracle", "test", "sim", "jit", "plot", "tensorboard", "sklearn", "data", "examples", "web", "mpi"}
    others = {"cuda12", "cuda13", "peers"}  # two that exclude each other, and what one script measures beside
    assert extras | others == PROJECT["optional-dependencies"].keys()
    texts = [*PROJECT["dependencies"], *(each for extra in extras for each in PROJECT["optional-dependencies"][extra])]
    named = [Requirement(text) for text in texts]
    assert pinned.keys() == {each.name.lower() for each in named} - {"xpnet"}
    assert all(each.specifier.contains(pinned[each.name.lower()]) for each in named if each.name != "xpnet")


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["numpy>=2.1"], "numpy has the lower bounds"),
        (["tqdm"], "tqdm  has no lower bound"),
        (["tqdm<5"], "tqdm <5 has no lower bound"),
        (["@ tqdm"], "is no requirement that can be read here"),
    ],
)
def test_what_cannot_be_pinned_is_an_error(extra: list[str], said: str) -> None:
    project: Any = copy.deepcopy(PROJECT)
    project["optional-dependencies"]["dev"] = extra
    with pytest.raises(ValueError, match=re.escape(said)):
        bounds.lowest(project)


def test_the_page_of_an_index_leads_nowhere_in_vain() -> None:
    page = index_page()
    links = re.findall(r"\]\(([^)]*)\)", page)
    assert [link for link in links if not link.startswith("https://")] == []
    assert "![" not in page and "<img" not in page
    assert page.startswith("# xpnet\n\nxpnet is ")
    assert "docs/tour.md leads through" in page
    assert "```python\nfrom xpnet import Sequential" in page


def test_the_licences_are_named_and_in_the_box() -> None:
    assert PROJECT["license"] == "MIT AND CC-BY-SA-3.0"
    licence, note = ((ROOT / name).read_text(encoding="utf-8") for name in PROJECT["license-files"])
    assert licence.startswith("MIT License")
    assert "https://creativecommons.org/licenses/by-sa/3.0/" in note and "Yann LeCun" in note


def test_the_changelog_has_the_version_with_its_day() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(xpnet.__version__)}] - \d{{4}}-\d\d-\d\d", headings[1])
