"""The clock on a circle: neighbours in time are neighbours in number, on the site's own wall clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper.config import AssetType
from wheeltapper.errors import ConfigError
from wheeltapper.features.plan import build_set
from wheeltapper.features.sets import Stretch

TANK = AssetType.model_validate({"name": "tank", "step": "1h", "sensors": {"level": {"unit": "m"}}})


def at(*times: str, **options: Any) -> pd.DataFrame:
    """Return the calendar's columns for windows of one reading at these times (UTC)."""
    seconds = np.array([pd.Timestamp(one, tz="UTC").timestamp() for one in times])
    places = np.arange(len(times))
    stretch = Stretch(seconds, {"level": np.zeros(len(times))}, places, places)
    found = build_set("calendar", options).compute(stretch, TANK)
    return pd.DataFrame({name.removeprefix("calendar__"): values for name, values in found.items()})


def apart(rows: pd.DataFrame, what: str) -> float:
    """Return how far two rows lie apart on a circle of radius 1."""
    return float(np.hypot(*(rows[f"{what}_{end}"].diff().iloc[1] for end in ("sin", "cos"))))


def test_every_moment_lies_on_the_circle() -> None:
    """sin² + cos² is 1 at every minute of a week, for hour and weekday. Reference row 000-12."""
    rows = at(*pd.date_range("2026-01-05", periods=7 * 24 * 60, freq="1min").astype(str))
    for what in ("hour", "weekday"):
        np.testing.assert_allclose(rows[f"{what}_sin"] ** 2 + rows[f"{what}_cos"] ** 2, 1, atol=1e-12)


def test_midnight_is_next_to_eleven() -> None:
    """From 23 to 0 o'clock is as far as from 0 to 1, and Sunday is as near to Monday as Monday to Tuesday.

    Reference row 000-12.
    """
    one_hour = apart(at("2026-01-05 00:00", "2026-01-05 01:00"), "hour")
    assert apart(at("2026-01-05 23:00", "2026-01-06 00:00"), "hour") == pytest.approx(one_hour)
    one_day = apart(at("2026-01-05 12:00", "2026-01-06 12:00"), "weekday")
    assert apart(at("2026-01-04 12:00", "2026-01-05 12:00"), "weekday") == pytest.approx(one_day)
    assert one_day == pytest.approx(2 * np.sin(np.pi / 7))


def test_by_hand() -> None:
    """Six in the morning of a Monday: a quarter of the way round the clock, the beginning of the week.

    Reference row 000-12.
    """
    row = at("2026-01-05 06:00").iloc[0]
    assert row[["hour_sin", "hour_cos", "weekday_sin", "weekday_cos"]].tolist() == pytest.approx([1, 0, 0, 1])


def test_night_is_from_20_to_6() -> None:
    """Twenty o'clock is night, six is not; both can be said otherwise, and a night shift may lie in the day.

    Reference row 002-19.
    """
    times = ("2026-01-05 19:59", "2026-01-05 20:00", "2026-01-06 05:59", "2026-01-06 06:00")
    assert at(*times)["is_night"].tolist() == [0, 1, 1, 0]
    assert at(*times, night=[22, 5])["is_night"].tolist() == [0, 0, 0, 0]
    assert at(*times, night=[6, 20])["is_night"].tolist() == [1, 0, 0, 1]


def test_the_wall_clock_of_the_site() -> None:
    """Berlin is an hour ahead of UTC in winter and two in summer; the clock changed on 29 March 2026 at 1:00 UTC."""
    rows = at("2026-03-29 00:59", "2026-03-29 01:00", "2026-01-04 23:30", zone="Europe/Berlin")
    hours = np.arctan2(rows["hour_sin"], rows["hour_cos"]) * 12 / np.pi % 24
    assert hours.tolist() == pytest.approx([1 + 59 / 60, 3, 0.5])
    assert rows["weekday_cos"].iloc[2] == 1  # Monday already


def test_half_hours_of_india() -> None:
    """18:30 UTC is midnight in Kolkata: an offset need not be whole hours."""
    assert at("2026-01-05 18:30", zone="Asia/Kolkata")["hour_cos"].iloc[0] == pytest.approx(1)


def test_a_year_of_minutes_is_cheap() -> None:
    """Offsets are looked up once a quarter of an hour, not once a reading: 100 000 readings ask for a dozen."""
    from wheeltapper.features.sets import calendar

    asked: list[object] = []

    class Zone(calendar.ZoneInfo):
        def utcoffset(self, when: Any) -> Any:
            asked.append(when)
            return super().utcoffset(when)

    calendar._local(np.arange(0, 10_800_000_000, 108_000, dtype=np.int64), Zone("Europe/Berlin"))
    assert 0 < len(asked) <= 4 * 12


def test_a_sensor_may_not_be_called_calendar() -> None:
    """Its columns would look like the clock's."""
    machine = AssetType.model_validate({"name": "x", "step": "1h", "sensors": {"calendar": {"unit": "1"}}})
    with pytest.raises(ConfigError, match="rename the sensor"):
        build_set("calendar").columns(machine)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"zone": "Europe/Berlim"}, "no time zone 'Europe/Berlim'"), ({"night": [20, 30]}, "each 0 to 24")],
)
def test_no_such_zone_or_hour(options: dict[str, Any], words: str) -> None:
    """What no clock shows is refused when the plan is written."""
    with pytest.raises(ConfigError, match=words):
        build_set("calendar", options)
