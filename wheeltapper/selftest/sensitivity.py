"""Hearing: from rehearsed faults to the smallest one of each sensor and kind that a candidate finds.

A fault is found if an alarm opens while it lasts or its windows still hold it, and none opens in the same episode
without it. The table says it with the candidate's own threshold. Candidates are told apart by another figure, at equal
false alarms: a candidate that rings more often finds more, and that is no merit.
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
"""Share of clean episodes that stay silent at the level at which candidates are compared."""
_MODERATE = {*SIZES[:2], *FEW_SIZES, *LAGS, None}


def lasting_peaks(rehearsal: Rehearsal, score: Floats, hold: int) -> tuple[Floats, Floats]:
    """Return the highest score that lasted ``hold`` windows in each rehearsal: what an alarm would open at.

    Returns
    -------
    faulty : ndarray of shape (n_injections, n_slots)
    clean : ndarray of shape (n_slots,)
        −∞ where there are too few windows to open one.
    """
    count = len(rehearsal.slots)
    episode = (rehearsal.injection + 1) * count + rehearsal.slot
    peaks = np.full((len(rehearsal.injections) + 1) * count, -np.inf)
    lasting = pd.Series(score).groupby(episode).rolling(hold).min().droplevel(0).sort_index().to_numpy()
    held = np.isfinite(lasting)
    np.maximum.at(peaks, episode[held], lasting[held])
    by_injection = peaks.reshape(-1, count)
    return by_injection[1:], by_injection[0]


def usual_peaks(scored: pd.DataFrame, windows: int, hold: int) -> Floats:
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


def heard_by_episode(rehearsal: Rehearsal, faulty: Floats, usual: Floats) -> Floats | None:
    """Return the share of moderate faults that stand out from clean running, in each episode, 0 to 1; higher is better.

    The level is the same for every candidate in what it lets through: 5 % of clean episodes of this length. The mean
    is taken over sizes, then kinds, then sensors, so that no sensor counts for more because it can fail in more ways.

    Parameters
    ----------
    faulty : ndarray of shape (n_injections, n_slots)
        Lasting peaks of `lasting_peaks`.
    usual : ndarray of shape (n_clean_episodes,)
        Lasting peaks of clean episodes, of as many as there are.

    Returns
    -------
    ndarray of shape (n_slots,) or None
        None where nothing could be rehearsed.
    """
    chosen = np.array([_is_moderate(one) for one in rehearsal.injections], dtype=bool)
    if not len(rehearsal.rows) or not len(usual) or not chosen.any():
        return None
    heard = pd.DataFrame((faulty > float(np.quantile(usual, QUIET)))[chosen].astype(float))
    own = [one for one, is_asked in zip(rehearsal.injections, chosen, strict=True) if is_asked]
    by_kind = heard.groupby([[one.sensor for one in own], [one.kind for one in own]]).mean()
    shares: Floats = by_kind.groupby(level=0).mean().mean().to_numpy(np.float64)
    return shares


def figure(rehearsal: Rehearsal, faulty: Floats, usual: Floats) -> float | None:
    """Return the mean of `heard_by_episode`: what ranks candidates where no faults are known."""
    heard = heard_by_episode(rehearsal, faulty, usual)
    return None if heard is None else float(heard.mean())


def _is_moderate(one: Injection) -> bool:
    return one.kind != STEP and (one.size is None or one.size in _MODERATE)


def table(rehearsal: Rehearsal, found: Flags) -> list[dict[str, Any]]:
    """Return one line for each sensor and kind of fault: which sizes are found, and the smallest of them in its unit.

    Parameters
    ----------
    found : ndarray of bool, shape (n_injections, n_slots)
        Whether an alarm opened on the fault, and none without it.
    """
    shares = found.mean(axis=1) if found.size else np.zeros(len(rehearsal.injections))
    lines: list[dict[str, Any]] = []
    for sensor in rehearsal.asset_type.sensors:
        for kind in KINDS:
            own = [
                (one, float(share))
                for one, share in zip(rehearsal.injections, shares, strict=True)
                if (one.sensor, one.kind) == (sensor, kind)
            ]
            if own:
                lines.append(_line(rehearsal, own))
    return lines


def _line(rehearsal: Rehearsal, own: Sequence[tuple[Injection, float]]) -> dict[str, Any]:
    sensor = own[0][0].sensor
    named: list[dict[str, Any]] = [
        {
            "size": one.size,
            "in_units": in_units(
                one, rehearsal.asset_type.sensors[sensor], rehearsal.usual[sensor], rehearsal.window_minutes
            ),
            "power": round(share, 3),
        }
        for one, share in own
    ]
    smallest = next((one["in_units"] for one in named if one["power"] >= POWER), None)
    return {
        "sensor": sensor,
        "kind": own[0][0].kind,
        "smallest": smallest,
        "sizes": named,
        "episodes": len(rehearsal.slots),
    }


def skipped(rehearsal: Rehearsal) -> list[dict[str, str]]:
    """Return what could not be tested, and why."""
    return [{"sensor": one.sensor, "kind": one.kind, "reason": one.reason} for one in rehearsal.skipped]


def rung_for(rehearsal: Rehearsal, found: Flags) -> dict[str, float]:
    """Return for each sensor the share of episodes in which its most audible fault opens an alarm."""
    return _best(rehearsal, found.mean(axis=1))


def standing_out(rehearsal: Rehearsal, faulty: Floats, clean: Floats, usual: Floats) -> dict[str, float]:
    """Return for each sensor how surely its most audible fault scores above a clean episode, 0 to 1; 0.5 is guessing.

    Only faults that nobody could overlook are asked about: the step, the largest size of each kind, another unit. An
    episode in which the fault does not raise the score counts as a guess at best: where normal running is restless,
    what an ignored sensor shows would otherwise stand out by chance.

    Parameters
    ----------
    faulty : ndarray of shape (n_injections, n_slots)
    clean : ndarray of shape (n_slots,)
        Lasting peaks of the same episodes, from `lasting_peaks`.
    usual : ndarray of shape (n_clean_episodes,)
        Lasting peaks of all clean running, from `usual_peaks`; equal ones count half.
    """
    ordered = np.sort(usual)
    below = np.searchsorted(ordered, faulty, "left") + np.searchsorted(ordered, faulty, "right")
    above = below / (2 * len(ordered))
    chance = np.where(faulty > clean, above, np.minimum(above, 0.5)).mean(axis=1)
    sizes = [one.size for one in rehearsal.injections if one.size is not None and one.kind not in (STEP, "lag")]
    largest = max(sizes, default=None)
    loud = [one.kind == STEP or one.size in (None, largest) for one in rehearsal.injections]
    return _best(rehearsal, np.where(loud, chance, 0.0))


def _best(rehearsal: Rehearsal, shares: Floats) -> dict[str, float]:
    best: dict[str, float] = {}
    for one, share in zip(rehearsal.injections, shares.tolist(), strict=True):
        best[one.sensor] = max(best.get(one.sensor, 0.0), share)
    return best
