"""A misspelt name gets the one that was probably meant."""

from __future__ import annotations

import doctest

from wheeltapper import spelling
from wheeltapper.spelling import near_miss


def test_a_word_that_is_like_none_gets_no_near_miss() -> None:
    """A wrong hint is worse than none."""
    assert near_miss("zzz", ["pump"]) == ""


def test_the_examples_hold() -> None:
    """What the docstring shows is what the function returns."""
    results = doctest.testmod(spelling)
    assert results.attempted == 2
    assert results.failed == 0
