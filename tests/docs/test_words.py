"""The glossary's words are those of the code."""

from __future__ import annotations

import importlib
import re
from functools import reduce

import pytest

from tests.docs.reading import ROOT, section
from wheeltapper.config import REGIMES

GLOSSARY = section(ROOT / "README.md", "The words")
ROWS = re.findall(r"^\| \*\*([\w ]+)\*\* \| (.+) \| `([\w.]+)` \|$", GLOSSARY, re.MULTILINE)


def _look_up(name: str) -> object:
    """Find ``config.Plant.alarm_budget`` below wheeltapper; fields of a model count as well."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(["wheeltapper", *parts[:length]]))
        except ModuleNotFoundError:
            continue
        return reduce(_member, parts[length:], module)
    raise LookupError(name)


def _member(owner: object, name: str) -> object:
    fields = getattr(owner, "model_fields", {})
    return fields[name] if name in fields else getattr(owner, name)


def test_every_row_of_the_glossary_is_read() -> None:
    """A row that is written in another way would not be checked."""
    assert len(ROWS) == GLOSSARY.count("\n| **") >= 20


@pytest.mark.parametrize(("word", "place"), [(word, place) for word, _, place in ROWS])
def test_the_word_is_in_the_code(word: str, place: str) -> None:
    """The thing that the third column names exists, and so does the word."""
    assert _look_up(place) is not None
    assert word


@pytest.mark.parametrize("word", [word for word, _, _ in ROWS])
def test_the_word_is_used(word: str) -> None:
    """The library speaks of it, as one word or joined as names are."""
    spelt = re.compile(re.escape(word).replace(r"\ ", "[ _]?"), re.IGNORECASE)
    sources = (path.read_text(encoding="utf-8") for path in sorted((ROOT / "wheeltapper").rglob("*.py")))
    assert any(spelt.search(text) for text in sources)


def test_the_regimes_are_those_of_the_configuration() -> None:
    """The glossary lists every regime, in order."""
    meaning = next(meaning for word, meaning, _ in ROWS if word == "regime")
    assert tuple(re.findall(r"`(\w+)`", meaning)) == REGIMES


def test_the_verdicts_are_those_of_the_code() -> None:
    """The words that the gates may say stand in the glossary."""
    from typing import get_args

    from wheeltapper.evaluation.gates import Word

    meaning = next(meaning for word, meaning, _ in ROWS if word == "verdict")
    assert set(get_args(Word)) <= set(re.split(r"[:,;] ?", meaning))
