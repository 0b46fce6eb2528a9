"""Sensitivity: the smallest rehearsed fault of each sensor and kind that a candidate finds.

A fault is found if an alarm opens while the fault lasts or while windows still contain it, and no alarm opens in the
same episode without the fault. The table uses the candidate's own threshold. Candidates are compared by another figure,
at an equal share of false alarms, because a lower threshold finds more and that is no merit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.selftest.episodes import Rehearsal
from wheeltapper.selftest.injections import FEW_SIZES, KINDS, LAGS, SIZES, STEP, Injection, in_units

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

POWER = 0.8
"""Share of episodes in which a fault must be found to count as found."""
QUIET = 0.95
"""Share of clean episodes below the level at which candidates are compared."""
_MODERATE = {*SIZES[:2], *FEW_SIZES, *LAGS, None}


def lasting_peaks(rehearsal: Rehearsal, score: Floats, hold: int) -> tuple[Floats, Floats]:
    """Return the highest score that lasted ``hold`` windows in each rehearsal: the level at which an alarm would open.

    Returns
    -------
    faulty : ndarray of shape (n_injections, n_slots)
    clean : ndarray of shape (n_slots,)
        −∞ where there are too few windows to open an alarm.
    """
    count = len(rehearsal.slots)
    episode = (rehearsal.injection + 1) * count + rehearsal.slot
    peaks = np.full((len(rehearsal.injections) + 1) * count, -np.inf)
    lasting = pd.Series(score).groupby(episode).rolling(hold).min().droplevel(0).sort_index().to_numpy()
    held = np.isfinite(lasting)
    np.maximum.at(peaks, episode[held], lasting[held])
    by_injection = peaks.reshape(-1, count)
    return by_injection[1:], by_injection[0]


def clean_peaks_of(scored: pd.DataFrame, windows: int, hold: int) -> Floats:
    """Return the highest lasting score of each piece of clean running that is as long as an episode.

    Parameters
    ----------
    scored : DataFrame with columns asset_id, window_end, score
        Clean windows.
    windows : int
        Windows in an episode.
    hold : int
        Windows that a score must last.
    """
    ordered = scored.sort_values(["asset_id", "window_end"])
    piece = ordered.groupby("asset_id").cumcount() // max(windows, 1)
    grouped = ordered["score"].groupby([ordered["asset_id"], piece])
    lasting = grouped.rolling(hold).min()
    peaks = lasting.groupby(level=[0, 1]).max().dropna()
    return np.asarray(peaks.to_numpy(np.float64))


def windows_in_episode(rehearsal: Rehearsal) -> int:
    """Return how many windows an episode usually has."""
    count = max(len(rehearsal.slots) * (len(rehearsal.injections) + 1), 1)
    return max(round(len(rehearsal.rows) / count), 1)


def found_by_episode(rehearsal: Rehearsal, faulty: Floats, clean_peaks: Floats) -> Floats | None:
    """Return the share of moderate faults that stand out from clean running, in each episode, 0 to 1; higher is better.

    The level is equally strict for every candidate: 5 % of clean episodes of this length exceed it. The mean is taken
    over sizes, then kinds, then sensors, so that a sensor with more kinds of faults does not count more.

    Parameters
    ----------
    faulty : ndarray of shape (n_injections, n_slots)
        Lasting peaks of `lasting_peaks`.
    clean_peaks : ndarray of shape (n_clean_episodes,)
        Lasting peaks of all clean episodes.

    Returns
    -------
    ndarray of shape (n_slots,) or None
        None where nothing could be rehearsed.
    """
    is_moderate = np.array([_is_moderate(injection) for injection in rehearsal.injections], dtype=bool)
    if not len(rehearsal.rows) or not len(clean_peaks) or not is_moderate.any():
        return None
    stands_out = pd.DataFrame((faulty > float(np.quantile(clean_peaks, QUIET)))[is_moderate].astype(float))
    moderate = [injection for injection, is_chosen in zip(rehearsal.injections, is_moderate, strict=True) if is_chosen]
    by_kind = stands_out.groupby(
        [[injection.sensor for injection in moderate], [injection.kind for injection in moderate]]
    ).mean()
    shares: Floats = by_kind.groupby(level=0).mean().mean().to_numpy(np.float64)
    return shares


def figure(rehearsal: Rehearsal, faulty: Floats, clean_peaks: Floats) -> float | None:
    """Return the mean of `found_by_episode`: the figure that ranks candidates where no faults are known."""
    shares = found_by_episode(rehearsal, faulty, clean_peaks)
    return None if shares is None else float(shares.mean())


def _is_moderate(injection: Injection) -> bool:
    return injection.kind != STEP and (injection.size is None or injection.size in _MODERATE)


def table(rehearsal: Rehearsal, opens: Flags) -> list[dict[str, Any]]:
    """Return one line for each sensor and kind of fault: the sizes found, and the smallest of them in its unit.

    Parameters
    ----------
    opens : ndarray of bool, shape (n_injections, n_slots)
        True where an alarm opened with the fault, and none without it.
    """
    shares = opens.mean(axis=1) if opens.size else np.zeros(len(rehearsal.injections))
    lines: list[dict[str, Any]] = []
    for sensor in rehearsal.asset_type.sensors:
        for kind in KINDS:
            sizes = [
                (injection, float(share))
                for injection, share in zip(rehearsal.injections, shares, strict=True)
                if (injection.sensor, injection.kind) == (sensor, kind)
            ]
            if sizes:
                lines.append(_line(rehearsal, sizes))
    return lines


def _line(rehearsal: Rehearsal, sizes: Sequence[tuple[Injection, float]]) -> dict[str, Any]:
    sensor = sizes[0][0].sensor
    entries: list[dict[str, Any]] = [
        {
            "size": injection.size,
            "in_units": in_units(
                injection, rehearsal.asset_type.sensors[sensor], rehearsal.usual[sensor], rehearsal.window_minutes
            ),
            "power": round(share, 3),
        }
        for injection, share in sizes
    ]
    smallest = next((entry["in_units"] for entry in entries if entry["power"] >= POWER), None)
    return {
        "sensor": sensor,
        "kind": sizes[0][0].kind,
        "smallest": smallest,
        "sizes": entries,
        "episodes": len(rehearsal.slots),
    }


def skipped(rehearsal: Rehearsal) -> list[dict[str, str]]:
    """Return the sensors and kinds that could not be tested, with the reason."""
    return [
        {"sensor": untested.sensor, "kind": untested.kind, "reason": untested.reason} for untested in rehearsal.skipped
    ]


def alarm_share(rehearsal: Rehearsal, opens: Flags) -> dict[str, float]:
    """Return for each sensor the share of episodes in which its clearest fault opens an alarm."""
    return _best(rehearsal, opens.mean(axis=1))


def chance_above_clean(
    rehearsal: Rehearsal, faulty: Floats, episode_peaks: Floats, clean_peaks: Floats
) -> dict[str, float]:
    """Return for each sensor the chance that its clearest fault scores above a clean episode; 0.5 is guessing.

    Only unmistakable faults are used: the step, the largest size of each kind, another unit. An episode in which the
    fault does not raise the score counts as a guess at best. Otherwise a fault of an ignored sensor could stand out by
    chance where normal running is restless.

    Parameters
    ----------
    faulty : ndarray of shape (n_injections, n_slots)
    episode_peaks : ndarray of shape (n_slots,)
        Lasting peaks of the same episodes, from `lasting_peaks`.
    clean_peaks : ndarray of shape (n_clean_episodes,)
        Lasting peaks of all clean running, from `clean_peaks_of`; equal peaks count half.
    """
    ordered = np.sort(clean_peaks)
    below = np.searchsorted(ordered, faulty, "left") + np.searchsorted(ordered, faulty, "right")
    above = below / (2 * len(ordered))
    chance = np.where(faulty > episode_peaks, above, np.minimum(above, 0.5)).mean(axis=1)
    sizes = [
        injection.size
        for injection in rehearsal.injections
        if injection.size is not None and injection.kind not in (STEP, "lag")
    ]
    largest = max(sizes, default=None)
    is_large = [injection.kind == STEP or injection.size in (None, largest) for injection in rehearsal.injections]
    return _best(rehearsal, np.where(is_large, chance, 0.0))


def _best(rehearsal: Rehearsal, shares: Floats) -> dict[str, float]:
    highest: dict[str, float] = {}
    for injection, share in zip(rehearsal.injections, shares.tolist(), strict=True):
        highest[injection.sensor] = max(highest.get(injection.sensor, 0.0), share)
    return highest
