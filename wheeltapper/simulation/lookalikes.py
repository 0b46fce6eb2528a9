"""What looks like a fault and is none: another load, a hot day, maintenance, a restart.

Nothing of it stands in the table of faults: whoever raises an alarm here raises a false one. All of it happens to
what the machine is exposed to, before the machine answers, so every sensor follows as physics wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from wheeltapper.assets import Drivers, Floats, Physics, Spell
from wheeltapper.simulation.faults import Fault

LASTS = (timedelta(hours=1), timedelta(hours=6))
DISTANCE = timedelta(hours=1)
LOAD = 0.25
"""Share by which the load rises or falls."""
HEAT = 3.0
"""How hot the surroundings become, in their usual deviations."""
STANDS = timedelta(minutes=10)
RAMPS = timedelta(minutes=20)
RAMP_FROM = 0.3


def kinds(physics: Physics) -> tuple[str, ...]:
    """List what can happen to machines of this type."""
    return ("load_change", "restart", "maintenance", *(("hot_day",) if physics.ambient else ()))


def apply(drivers: Drivers, happenings: Sequence[Fault], physics: Physics) -> Drivers:
    """Return what the machine is exposed to when these things happen.

    Parameters
    ----------
    drivers : Drivers
    happenings : sequence of Fault
        Planned like faults; kinds are those of `kinds`.
    physics : Physics
    """
    regime = drivers.regime.astype(f"<U{max(drivers.regime.dtype.itemsize // 4, len('maintenance'))}")
    level, outer = drivers.level.copy(), {name: values.copy() for name, values in drivers.signals.items()}
    for one in happenings:
        if one.kind == "load_change":
            # Up for one half of them, down for the other; the peak is drawn evenly, so it can decide.
            sign = 1.0 if round(one.peak * 1e6) % 2 else -1.0
            level[one.span] *= 1 + sign * LOAD * _rise_and_fall(one.rows)
        elif one.kind == "hot_day" and physics.ambient:
            signal = physics.signals[physics.ambient]
            outer[physics.ambient][one.span] += (
                HEAT * float(np.hypot(signal.sd, signal.daily)) * _rise_and_fall(one.rows)
            )
        elif one.kind == "restart":
            stands = slice(one.first, one.first + max(1, round(STANDS.total_seconds() / drivers.step)))
            regime[stands], level[stands] = "off", 0.0
            _start_up(regime, level, stands.stop, drivers.step)
        elif one.kind == "maintenance":
            regime[one.span], level[one.span] = "maintenance", _level_in_maintenance(physics.schedule)
            _start_up(regime, level, one.span.stop, drivers.step)
    return replace(drivers, regime=regime, level=level, signals=outer)


def _start_up(regime: NDArray[np.str_], level: Floats, begin: int, step: float) -> None:
    """Let the machine climb back to work where it would run normally (in place); elsewhere the timetable rules."""
    ramps = max(1, round(RAMPS.total_seconds() / step))
    climb = np.linspace(RAMP_FROM, 1.0, ramps + 1)[1:][: len(level) - begin]
    rows = slice(begin, begin + ramps)
    free = regime[rows] == "normal"
    level[rows] = np.where(free, climb, level[rows])
    regime[rows] = np.where(free, "startup", regime[rows])


def _level_in_maintenance(schedule: Sequence[Spell]) -> float:
    """Return how hard the machine works while it is looked after: as in its own timetable, or not at all."""
    return next((spell.level for spell in schedule if spell.regime == "maintenance"), 0.0)


def _rise_and_fall(rows: int) -> Floats:
    """Climb to 1 within the first quarter, stay, and come down within the last."""
    place = (np.arange(rows) + 0.5) / rows
    return np.asarray(np.clip(np.minimum(place, 1 - place) * 4, 0, 1))
