"""Time lines drawn as text: one character is one window, one window a minute."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

import pandas as pd
import pytest

from wheeltapper import tables
from wheeltapper.config import Costs
from wheeltapper.evaluation.judge import judge
from wheeltapper.evaluation.judgement import Judgement

START = pd.Timestamp("2026-03-02", tz="UTC")
MINUTE = timedelta(minutes=1)


def minute(number):
    return START + number * MINUTE


def _spans(text):
    place = 0
    for letter, run in groupby(text):
        length = len(list(run))
        if letter != " ":
            yield letter, place, place + length - 1
        place += length


@dataclass(frozen=True)
class TimeLine:
    scores: pd.DataFrame
    alarms: pd.DataFrame
    faults: pd.DataFrame

    def __add__(self, other):
        pairs = zip((self.scores, self.alarms, self.faults), (other.scores, other.alarms, other.faults), strict=True)
        return TimeLine(*(pd.concat(pair, ignore_index=True) for pair in pairs))

    def judge(self, name="candidate", **changes) -> Judgement:
        settings = {
            "spacing": MINUTE,
            "max_gap": 3 * MINUTE,
            "tolerance": timedelta(0),
            "vus_window": 4,
            "seed": 1,
            "costs": Costs(),
        } | changes
        return judge(name, "validate", self.scores, self.alarms, self.faults, **settings)


def _draw(scores, faults="", alarms=None, asset="pump"):
    """Draw one asset: a digit is a window's score (5 and more is anomalous), a blank in ``scores`` no window at all.

    A letter is a fault of that kind, ``A`` an alarm; without ``alarms`` every run of anomalous windows is one.
    """
    places = [place for place, digit in enumerate(scores) if digit != " "]
    if alarms is None:
        alarms = "".join("A" if digit != " " and int(digit) >= 5 else " " for digit in scores)
    score = [float(scores[place]) for place in places]
    frame = pd.DataFrame(
        {
            "asset_id": asset,
            "window_end": pd.DatetimeIndex([minute(place) for place in places], tz="UTC"),
            "bundle": "b",
            "score": score,
            "threshold": 4.5,
            "severity": [value / 4.5 for value in score],
            "regime": "normal",
            "top_sensors": "",
            "role": "champion",
        }
    )
    rung = pd.DataFrame(
        [(asset, minute(first), minute(last), minute(last)) for _, first, last in _spans(alarms)],
        columns=["asset_id", "opened_at", "last_at", "closed_at"],
    )
    rung = rung.astype(dict.fromkeys(["opened_at", "last_at", "closed_at"], "datetime64[us, UTC]"))
    truth = pd.DataFrame(
        [(asset, minute(first), minute(last), kind, 1.0, "person") for kind, first, last in _spans(faults)],
        columns=["asset_id", "start", "end", "kind", "severity", "origin"],
    )
    truth = tables.FAULTS.check(truth) if len(truth) else tables.FAULTS.empty()
    return TimeLine(tables.SCORES.check(frame), rung, truth)


@pytest.fixture
def draw():
    return _draw


@pytest.fixture
def sharp(draw) -> Judgement:
    """Rings as the fault begins."""
    return draw("0000900000", "    LLL").judge("sharp")


@pytest.fixture
def late(draw) -> Judgement:
    """Rings two windows later."""
    return draw("0000009000", "    LLL").judge("late")
