"""Events that look like faults and are none: another load, a hot day, maintenance, a restart.

They are not in the table of faults: an alarm about them is a false alarm. They change the outer influences, before the
machine responds, so every sensor follows as physics demands.
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


def apply(drivers: Drivers, events: Sequence[Fault], physics: Physics) -> Drivers:
    """Return what the machine is exposed to while these events happen.

    Parameters
    ----------
    drivers : Drivers
    events : sequence of Fault
        Planned like faults; kinds are those of `kinds`.
    physics : Physics
    """
    regime = drivers.regime.astype(f"<U{max(drivers.regime.dtype.itemsize // 4, len('maintenance'))}")
    level, outer = drivers.level.copy(), {name: values.copy() for name, values in drivers.signals.items()}
    for event in events:
        if event.kind == "load_change":
            # Up for one half of them, down for the other; the peak is drawn evenly, so it can decide.
            sign = 1.0 if round(event.peak * 1e6) % 2 else -1.0
            level[event.span] *= 1 + sign * LOAD * _rise_and_fall(event.rows)
        elif event.kind == "hot_day" and physics.ambient:
            signal = physics.signals[physics.ambient]
            outer[physics.ambient][event.span] += (
                HEAT * float(np.hypot(signal.sd, signal.daily)) * _rise_and_fall(event.rows)
            )
        elif event.kind == "restart":
            stands = slice(event.first, event.first + max(1, round(STANDS.total_seconds() / drivers.step)))
            regime[stands], level[stands] = "off", 0.0
            _start_up(regime, level, stands.stop, drivers.step)
        elif event.kind == "maintenance":
            regime[event.span], level[event.span] = "maintenance", _level_in_maintenance(physics.schedule)
            _start_up(regime, level, event.span.stop, drivers.step)
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
