"""Signals keep their standard deviation and their memory, at every sampling rate."""

from datetime import timedelta

import numpy as np
import pytest

from wheeltapper.assets import Drivers, Signal
from wheeltapper.simulation.signals import draw, noise, stream, wander


def _correlation(values: np.ndarray, rows: int) -> float:
    return float(np.corrcoef(values[rows:], values[:-rows])[0, 1])


def test_wander_follows_its_formula() -> None:
    """Each value is 0.6 of the one before plus 0.8 of a new shock, begun with a whole shock."""
    shocks = np.random.default_rng(1).standard_normal(3)
    first = shocks[0]
    second = 0.6 * first + 0.8 * shocks[1]
    third = 0.6 * second + 0.8 * shocks[2]
    assert wander(np.random.default_rng(1), 3, 0.6) == pytest.approx([first, second, third])


@pytest.mark.parametrize("step", [10.0, 60.0, 300.0])
def test_noise_keeps_deviation_and_memory_at_every_step(step: float) -> None:
    """The deviation is 1 and the correlation falls to 0.7 a minute, whether sampled every 10 s or every 5 min."""
    values = noise(np.random.default_rng(2), 400_000, step)
    assert values.std() == pytest.approx(1, rel=0.02)
    assert _correlation(values, 1) == pytest.approx(0.7 ** (step / 60), abs=0.01)


def test_noise_is_as_wide_at_its_beginning() -> None:
    """The first reading of 4000 series deviates by 1, too: there is no warming up."""
    firsts = [noise(np.random.default_rng(seed), 2, 60.0)[0] for seed in range(4000)]
    assert np.std(firsts) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("step", [600.0, 3600.0])
def test_waves_follow_the_clock_at_every_step(step: float) -> None:
    """Without wandering, the daily wave is at its top at its hour and at its bottom half a day later."""
    signal = Signal(sd=0, memory=timedelta(hours=1), daily=2, peak=timedelta(hours=15))
    seconds = np.arange(0, 2 * 86_400, step)
    values = draw(signal, np.random.default_rng(0), seconds, step)
    at = dict(zip(seconds / 3600, values, strict=True))
    assert (at[15], at[39], at[3], at[9]) == pytest.approx((2, 2, -2, 0))


def test_spectrum_has_a_day_and_a_week() -> None:
    """Over sixteen weeks the two highest lines of the spectrum lie at 24 h and 168 h."""
    signal = Signal(sd=0.1, memory=timedelta(hours=2), daily=1, weekly=0.5)
    seconds = np.arange(0, 16 * 7 * 24) * 3600.0
    lines = np.abs(np.fft.rfft(draw(signal, np.random.default_rng(5), seconds, 3600.0)))
    lines[0] = 0
    first, second = np.argsort(-lines)[:2]
    assert (len(seconds) / first, len(seconds) / second) == (24, 168)


def test_streams_differ_by_each_of_their_names() -> None:
    """Seed, asset and layer each change the numbers; the same three give them again."""
    ways = [(1, 1, "a"), (2, 1, "a"), (1, 2, "a"), (1, 1, "b")]
    firsts = [stream(*way).random() for way in ways]
    assert len(set(firsts)) == 4
    assert stream(1, 1, "a").random() == firsts[0]


def test_lag_follows_like_a_heavy_body() -> None:
    """After one memory a jump from 0 to 1 has been followed by 1 − 1/e, at both steps; a constant stays."""
    for step in (10.0, 60.0):
        rows = int(600 / step)
        drivers = Drivers(step=step, regime=np.array(["normal"]), level=np.ones(1), signals={})
        jump = np.concatenate([[0.0], np.ones(rows)])
        assert drivers.lag(jump, timedelta(minutes=10))[-1] == pytest.approx(1 - np.exp(-1))
        assert drivers.lag(np.full(3, 7.0), timedelta(minutes=10)) == pytest.approx([7, 7, 7])
