"""Random signals that look the same however often they are sampled, and the random streams that they come from."""

from __future__ import annotations

from datetime import timedelta
from zlib import crc32

import numpy as np

from wheeltapper.assets import Floats, Signal

DAY = 86_400.0
WEEK = 604_800.0
KEPT_PER_MINUTE = 0.7
"""Correlation of a sensor's own disturbance with the minute before."""


def stream(seed: int, asset: int, layer: str) -> np.random.Generator:
    """Return the random numbers of one layer of one asset.

    They depend on these three arguments alone: not on how many assets there are, nor on what other layers draw.
    That is why switching the faults on changes no reading outside them.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(asset, crc32(layer.encode()))))


def wander(rng: np.random.Generator, readings: int, kept: float) -> Floats:
    """Return a signal that remembers: mean 0, standard deviation exactly 1 in expectation, from the first reading on.

    ``x[t] = kept · x[t−1] + √(1 − kept²) · e[t]``, begun in its stationary state. (Mixing with ``1 − kept``
    instead of the root, as is often done, shrinks the standard deviation: to 0.42 for ``kept`` 0.7.)

    Parameters
    ----------
    rng : Generator
    readings : int
    kept : float
        Correlation of one reading with the next, in [0, 1).

    Returns
    -------
    ndarray of shape (readings,)
    """
    from scipy.signal import lfilter

    shocks = rng.standard_normal(readings)
    shocks[1:] *= np.sqrt(1 - kept**2)
    return np.asarray(lfilter([1.0], [1.0, -kept], shocks), dtype=np.float64)


def kept_over(step: float, memory: timedelta) -> float:
    """Return the correlation over one step (seconds) of a signal that falls to 1/e within ``memory``."""
    return float(np.exp(-step / memory.total_seconds()))


def noise(rng: np.random.Generator, readings: int, step: float) -> Floats:
    """Return a sensor's own disturbance: standard deviation 1, correlation 0.7 over a minute at every step."""
    return wander(rng, readings, KEPT_PER_MINUTE ** (step / 60))


def draw(signal: Signal, rng: np.random.Generator, seconds: Floats, step: float) -> Floats:
    """Return one outer influence: wandering, a daily and a weekly wave.

    Parameters
    ----------
    signal : Signal
    rng : Generator
    seconds : ndarray of shape (n_readings,)
        Time of each reading, in seconds since the epoch (UTC); waves follow the clock, not the row number.
    step : float
        Seconds between two readings.

    Returns
    -------
    ndarray of shape (n_readings,)
        In the signal's unit.
    """
    since_peak = seconds - signal.peak.total_seconds()
    values = signal.sd * wander(rng, len(seconds), kept_over(step, signal.memory))
    values += signal.daily * np.cos(2 * np.pi * since_peak / DAY)
    values += signal.weekly * np.cos(2 * np.pi * since_peak / WEEK)
    return values
