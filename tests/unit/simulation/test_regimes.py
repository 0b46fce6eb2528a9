"""The timetable follows the clock."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from wheeltapper.assets import Spell
from wheeltapper.simulation.regimes import follow

HOUR = timedelta(hours=1)
SCHEDULE = (
    Spell("off", at=23 * HOUR, lasts=2 * HOUR, level=0.0),
    Spell("startup", at=1 * HOUR, lasts=1 * HOUR, level=1.0, level_from=0.5),
    Spell("maintenance", at=1 * HOUR, lasts=1 * HOUR, level=0.4, weekday=6),
)


def _seconds(*texts: str) -> np.ndarray:
    return np.array([datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in texts])


def test_spells_of_every_day() -> None:
    """A spell holds its first instant, not its end, and runs past midnight; what none covers is normal."""
    regime, level = follow(SCHEDULE, _seconds("2026-01-05T23:00", "2026-01-06T00:59", "2026-01-06T02:00"))
    assert regime.tolist() == ["off", "off", "normal"]
    assert level.tolist() == [0, 0, 1]


def test_a_ramp_rises_through_its_spell() -> None:
    """The level is 0.5 at the beginning, 0.75 in the middle."""
    _, level = follow(SCHEDULE, _seconds("2026-01-06T01:00", "2026-01-06T01:30"))
    assert level == pytest.approx([0.5, 0.75])


def test_a_weekly_spell_comes_on_its_day_and_wins() -> None:
    """4 January 2026 is a Sunday: maintenance stands over startup there, and only there."""
    regime, level = follow(SCHEDULE, _seconds("2026-01-03T01:00", "2026-01-04T01:00", "2026-01-05T01:00"))
    assert regime.tolist() == ["startup", "maintenance", "startup"]
    assert level[1] == 0.4


def test_a_late_machine_changes_later() -> None:
    """Shifted by ten minutes, the machine is off from 23:10."""
    regime, _ = follow(SCHEDULE, _seconds("2026-01-05T23:09", "2026-01-05T23:10"), timedelta(minutes=10))
    assert regime.tolist() == ["normal", "off"]


def test_no_timetable_is_normal_running() -> None:
    """A machine without a timetable runs normally all the time."""
    regime, level = follow((), _seconds("2026-01-05T12:00"))
    assert (regime.tolist(), level.tolist()) == (["normal"], [1.0])
