"""The alarm of one machine, one window at a time: what a live door keeps between two readings.

Stepping through windows gives the alarms that `wheeltapper.scoring.alarms.fold` gives for all of them at once.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from wheeltapper.config import Alarms
from wheeltapper.errors import DataError

Change = Literal["opened", "updated", "closed"]

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Alarm:
    """One alarm as far as it is known; times in microseconds since the epoch (UTC)."""

    opened_at: int
    """End of the window that opened it."""
    last_at: int
    """End of its last anomalous window so far."""
    peak_severity: float
    peak_at: int
    held_severity: float
    """Highest severity that held for as many windows as open an alarm."""
    regime: str
    """Operating state at the peak."""
    is_open: bool = True


@dataclass(frozen=True)
class Transition:
    """What a window changes about an alarm."""

    change: Change
    alarm: Alarm
    """The alarm afterwards."""


class AlarmState:
    """Folds the windows of one machine into alarms, step by step.

    Parameters
    ----------
    rule : Alarms
        When an alarm opens and closes.
    max_gap : timedelta
        A longer pause between two windows closes an alarm.

    Examples
    --------
    >>> state = AlarmState(Alarms(open_after=2, close_after=1), timedelta(minutes=1))
    >>> [change.change for end in range(4) for change in state.step(end, (0.5, 2.0, 3.0, 0.5)[end], "normal")]
    ['opened', 'closed']
    """

    def __init__(self, rule: Alarms, max_gap: timedelta) -> None:
        self._rule = rule
        self._max_gap = max_gap // _TICK
        self._active_above = min(rule.close_below, 1.0)
        self._newest: int | None = None
        self._severities: deque[float] = deque(maxlen=rule.open_after)
        """Severities of the stretch's last windows, as many as open an alarm."""
        self._in_a_row = 0
        """Anomalous windows in a row up to the newest."""
        self._quiet = 0
        """Windows since the last one that was not normal."""
        self._alarm: Alarm | None = None

    @property
    def newest(self) -> int | None:
        """End of the newest window, in microseconds since the epoch; None before the first one."""
        return self._newest

    @property
    def open_alarm(self) -> Alarm | None:
        """The alarm that is open; None if there is none."""
        return self._alarm

    @property
    def is_quiet(self) -> bool:
        """True if no earlier window has an influence on what later ones do: folding may begin here."""
        return self._alarm is None and self._in_a_row == 0

    def steps(self, windows: Iterable[tuple[int, float, str]]) -> list[Transition]:
        """Take in windows in the order of time, each as end, severity and regime; see `step`."""
        return [transition for window in windows for transition in self.step(*window)]

    def step(self, end: int, severity: float, regime: str) -> tuple[Transition, ...]:
        """Take in the next window, and return what it changes.

        Parameters
        ----------
        end : int
            End of the window in microseconds since the epoch; later than every one before.
        severity : float
            Score over threshold; above 1 is anomalous.
        regime : str
            Operating state of the window.

        Returns
        -------
        tuple of Transition
            Empty for most windows. A window after a pause may close one alarm and open another.

        Raises
        ------
        DataError
            If the window has no severity, or is not later than the one before.
        """
        closed = self._begin(end, severity)
        is_active = severity > self._active_above
        return (*closed, *(self._take_active(end, severity, regime) if is_active else self._take_normal()))

    def _begin(self, end: int, severity: float) -> tuple[Transition, ...]:
        """Refuse a window that cannot follow; after a pause, close what was open and forget what came before."""
        if math.isnan(severity):
            raise DataError(f"the window that ends at {end} µs has no severity. Score usable windows only.")
        closed: tuple[Transition, ...] = ()
        if self._newest is not None:
            if end <= self._newest:
                raise DataError(
                    f"windows must follow each other in time; after {self._newest} µs came {end} µs. Restore the state "
                    "from before the earlier one, then take in both."
                )
            if end - self._newest > self._max_gap:
                closed = self._close()
                self._severities.clear()
                self._in_a_row = 0
        self._newest = end
        self._severities.append(severity)
        return closed

    def _take_active(self, end: int, severity: float, regime: str) -> tuple[Transition, ...]:
        self._in_a_row = self._in_a_row + 1 if severity > 1 else 0
        self._quiet = 0
        if self._alarm is None:
            if self._in_a_row < self._rule.open_after:
                return ()
            self._alarm = Alarm(end, end, severity, end, min(self._severities), regime)
            return (Transition("opened", self._alarm),)
        held_severity = min(self._severities)
        alarm = replace(self._alarm, last_at=end, held_severity=max(self._alarm.held_severity, held_severity))
        if severity > alarm.peak_severity:
            alarm = replace(alarm, peak_severity=severity, peak_at=end, regime=regime)
        self._alarm = alarm
        return (Transition("updated", alarm),)

    def _take_normal(self) -> tuple[Transition, ...]:
        self._in_a_row = 0
        self._quiet += 1
        return self._close() if self._quiet >= self._rule.close_after else ()

    def _close(self) -> tuple[Transition, ...]:
        if self._alarm is None:
            return ()
        closed, self._alarm = replace(self._alarm, is_open=False), None
        return (Transition("closed", closed),)
