"""What tsfresh itself says of a series, and the series that every kernel is held against."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.features.kernels import Floats, Kernel

RTOL = 1e-9


def expected(name: str, x: Floats, params: Sequence[Mapping[str, Any]]) -> Floats:
    """Return what tsfresh's calculator gives for one series, one value for each of the parameter dicts."""
    from tsfresh.feature_extraction import feature_calculators

    function = getattr(feature_calculators, name)
    series: Any = pd.Series(x) if getattr(function, "input", None) == "pd.Series" else np.array(x)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if function.fctype == "combiner":
            return np.array([value for _, value in function(series, [dict(one) for one in params])], dtype=float)
        return np.array([function(series, **one) for one in params], dtype=float)


@cache
def _settings(kind: str) -> Mapping[str, list[dict[str, Any]] | None]:
    from tsfresh.feature_extraction import settings

    return dict(getattr(settings, kind)())


def parameters(name: str, kind: str = "EfficientFCParameters") -> list[dict[str, Any]]:
    """Return tsfresh's own parameter dicts of a calculator; ``[{}]`` where it takes none."""
    return _settings(kind)[name] or [{}]


def series() -> dict[str, Floats]:
    """Return the series on which kernels go wrong: short, stuck, stepped, symmetrical, huge, tiny."""
    noise = np.random.default_rng(7)
    random = noise.normal(size=60)
    return {
        "random": random,
        "far from zero": 1000 + random,
        "odd length": noise.normal(size=37),
        "a power of two": noise.uniform(-3, 5, size=128),
        "longer than a block": noise.normal(size=131),
        "longer than a segment": noise.normal(size=300).cumsum(),
        "whole numbers": noise.integers(0, 5, size=60).astype(float),
        "two values": noise.integers(0, 2, size=60).astype(float),
        "walk": noise.integers(-1, 2, size=50).cumsum().astype(float),
        "one": np.array([3.25]),
        "zero alone": np.array([0.0]),
        "two": np.array([1.5, -2.5]),
        "two alike": np.array([0.1, 0.1]),
        "three": np.array([0.3, -1.2, 2.7]),
        "three alike": np.array([0.7, 0.7, 0.7]),
        "four": np.array([1.0, 4.0, 2.0, 8.0]),
        "five": np.array([0.0, 1.0, 0.0, -1.0, 0.5]),
        "eleven": noise.normal(size=11),
        "fifty one": noise.normal(size=51),
        "zeros": np.zeros(60),
        "stuck at five": np.full(60, 5.0),
        "stuck at a tenth": np.full(60, 0.1),
        "stuck, short": np.full(7, 0.3),
        "step": np.repeat([1.0, 4.0], 30),
        "box": np.concatenate([np.zeros(21), np.full(18, 2.5), np.zeros(21)]),
        "stuck half way": np.concatenate([random[:30], np.full(30, random[29])]),
        "ramp": np.arange(60.0),
        "falling ramp": 7.3 - 0.1 * np.arange(23),
        "there and back": np.concatenate([random[:30], random[29::-1]]),
        "saw": np.tile([0.0, 1.0, 2.0], 20),
        "spike": np.where(np.arange(60) == 40, 9.0, 1.0),
        "sine": np.sin(np.arange(60) * 2 * np.pi / 12),
        "1e-12": 1e-12 * random,
        "1e12": 1e12 * random,
        "1e150": 1e150 * random,
        "1e-150": 1e-150 * random,
        "1e300": 1e300 * random,
        "1e-300": 1e-300 * random,
        "both ends": np.where(random > 0, 1e300, 1e-300),
    }


def check(
    kernel: Kernel,
    name: str,
    params: Sequence[Mapping[str, Any]] | None = None,
    *,
    atol: float = 0.0,
    per_size: float = 0.0,
    leave_out: Sequence[str] = (),
) -> None:
    """Hold a kernel against tsfresh on every series and on overlapping windows, then against itself, bit for bit.

    Parameters
    ----------
    params : sequence of dict, optional
        The default is tsfresh's own of both the efficient and the comprehensive settings.
    atol, per_size : float
        How far a value may be off beside 1e-9 of itself, absolutely and per unit of the largest reading. Anything but
        0 needs its reason beside it: only where tsfresh's own value is the rounding error of a true 0.
    leave_out : sequence of str
        Series not to be held against tsfresh here.
    """
    if params is None:
        params = _of_both_settings(name)
    for what, x in series().items():
        if what not in leave_out:
            found = alone(kernel, x, params)
            size = per_size * float(np.max(np.abs(x)))
            np.testing.assert_allclose(found, expected(name, x, params), RTOL, atol + size, err_msg=f"{name}: {what}")
    _check_windows(kernel, name, params, atol, per_size)


def alone(kernel: Kernel, x: Floats, params: Sequence[Mapping[str, Any]]) -> Floats:
    """Return the kernel's values of one window that is the whole series."""
    found = kernel(x, np.array([0]), np.array([len(x) - 1]), [dict(one) for one in params])
    assert found.shape == (1, len(params))
    assert found.dtype == np.float64
    return found[0]


def windows() -> Iterator[tuple[Floats, tuple[np.ndarray, np.ndarray]]]:
    """Yield readings with windows that overlap, differ in length, and do not come in order."""
    x = np.random.default_rng(11).normal(size=150).round(2)
    x[60:80] = 0.5
    last = np.array([59, 62, 65, 99, 12, 70, 75, 149, 149, 79, 30])
    rows = np.array([60, 60, 60, 60, 7, 1, 2, 150, 60, 20, 30])
    yield x, (last - rows + 1, last)
    yield 1e6 + x, (last - rows + 1, last)


def _check_windows(
    kernel: Kernel, name: str, params: Sequence[Mapping[str, Any]], atol: float, per_size: float
) -> None:
    given = [dict(one) for one in params]
    for x, (first, last) in windows():
        found = kernel(x, first, last, given)
        assert found.shape == (len(first), len(params))
        for row, (start, end) in enumerate(zip(first, last, strict=True)):
            window = x[start : end + 1].copy()
            size = per_size * float(np.max(np.abs(window)))
            wanted = expected(name, window, params)
            np.testing.assert_allclose(found[row], wanted, RTOL, atol + size, err_msg=f"{name}: readings {start}–{end}")
            # To the last bit: the window by itself, elsewhere in memory, with no neighbours.
            np.testing.assert_array_equal(found[row], alone(kernel, window, params), err_msg=f"{name}: alone")
    none = np.array([], dtype=np.int64)
    assert kernel(np.ones(3), none, none, given).shape == (0, len(params))


def _of_both_settings(name: str) -> list[dict[str, Any]]:
    efficient = parameters(name)
    more = parameters(name, "ComprehensiveFCParameters")
    return efficient + [one for one in more if one not in efficient]
