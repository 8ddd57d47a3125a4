"""`help(xpnet)` begins with what there is: the first screen says it, before pydoc writes each class out."""

import pydoc
import re

import xpnet

SCREEN = 40  # lines


def first_screen() -> str:
    return "\n".join(pydoc.plain(pydoc.render_doc(xpnet)).splitlines()[:SCREEN])


def test_the_first_screen_is_the_overview() -> None:
    screen = first_screen()
    assert "PACKAGE CONTENTS" in screen  # so the docstring ended before it
    assert "Read on with help(xpnet.layers.Conv2D)" in screen


def test_every_public_name_is_in_it() -> None:
    words = set(re.findall(r"\w+", xpnet.__doc__ or ""))
    inside = {"Backend", "CrossValidation", "LRSearch", "XpnetError"}  # what a function or a module gives
    assert set(xpnet.__all__) - words == inside
