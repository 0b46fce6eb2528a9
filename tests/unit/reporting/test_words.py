"""Numbers and times as a person writes them."""

import pytest

from wheeltapper.reporting.text import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12_400.4, "12\u202f400"),
        (0.8333, "0.833"),
        (7.0, "7"),
        (-0.5, "−0.5"),
        (0.0, "0"),
        (None, "not judged"),
        (float("nan"), "not judged"),
    ],
)
def test_numbers(value, text):
    """Three telling digits, thousands apart, and words where nothing is known."""
    assert words.number(value) == text


def test_a_rate_keeps_its_second_digit():
    """1.03 events a week is 1.0, not 1: it is known to two digits."""
    assert words.rough(1.03) == "1.0"
    assert words.rough(122.4) == "122"


@pytest.mark.parametrize(
    ("share", "text"), [(0.5, "50 %"), (1.0, "100 %"), (0.9999, "> 99.9 %"), (0.0001, "< 0.1 %"), (0.052, "5.2 %")]
)
def test_shares(share, text):
    """A share that is not quite everything is never written as 100 %."""
    assert words.percent(share).replace("\u00a0", " ") == text


@pytest.mark.parametrize(("value", "text"), [(0.5, "30 s"), (4.2, "4.2 min"), (210, "3.5 h"), (4320, "3 days")])
def test_durations(value, text):
    """The unit fits the length."""
    assert words.minutes(value).replace("\u00a0", " ") == text


def test_an_instant_is_told_in_utc():
    """A time of another zone is written as the same moment in UTC."""
    assert words.instant("2026-02-03T11:00:00+01:00") == "2026-02-03 10:00"
    assert words.instant("2026-02-03T10:00:07+00:00") == "2026-02-03 10:00:07"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("../docs/index.html", True),
        ("http://127.0.0.1:4200/runs", True),
        ("wheeltapper up", False),
        ("javascript:alert(1)//.", False),
        ("java\nscript:alert(1)//.", False),
        ("data:text/html,<b>.", False),
    ],
)
def test_only_addresses_can_be_clicked(text, safe):
    """A command is text, and so is every address that would run something."""
    assert words.is_address(text) is safe
