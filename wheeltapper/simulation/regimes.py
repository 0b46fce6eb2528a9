"""The timetable of a machine: which regime, and how hard it works, at each instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from wheeltapper.assets import Floats, Spell
from wheeltapper.simulation.signals import DAY, WEEK

EPOCH_WEEKDAY = 3
"""1 January 1970 was a Thursday."""


def follow(
    schedule: Sequence[Spell], seconds: Floats, shift: timedelta = timedelta(0)
) -> tuple[NDArray[np.str_], Floats]:
    """Say what the timetable asks of a machine at each instant.

    Parameters
    ----------
    schedule : sequence of Spell
        Where spells overlap the later one wins; what none covers is ``normal`` at level 1.
    seconds : ndarray of shape (n_readings,)
        Seconds since the epoch (UTC).
    shift : timedelta
        How late this machine's clock is.

    Returns
    -------
    regime : ndarray of str, shape (n_readings,)
    level : ndarray of shape (n_readings,)
        0 stands still, 1 is normal running.
    """
    longest = max([len("normal"), *(len(spell.regime) for spell in schedule)])
    regime = np.full(len(seconds), "normal", dtype=f"<U{longest}")
    level = np.ones(len(seconds))
    clock = seconds - shift.total_seconds()
    for spell in schedule:
        since = _since_beginning(spell, clock)
        lasts = spell.lasts.total_seconds()
        inside = since < lasts
        regime[inside] = spell.regime
        begin = spell.level if spell.level_from is None else spell.level_from
        level[inside] = begin + (spell.level - begin) * since[inside] / lasts
    return regime, level


def _since_beginning(spell: Spell, clock: Floats) -> Floats:
    """Return the seconds since the spell last began."""
    if spell.weekday is None:
        return (clock - spell.at.total_seconds()) % DAY
    first = (spell.weekday - EPOCH_WEEKDAY) * DAY + spell.at.total_seconds()
    return (clock - first) % WEEK
