"""Kernels: tsfresh's features for many windows at once. One family a file; this page finds them and calls them.

A module of this folder offers calculators in its ``KERNELS``: tsfresh's name → function. Where no kernel is, or where
a window holds NaN or ±inf, tsfresh's own function is called, so that every value is the one that tsfresh gives.
Importing this page imports neither numba nor tsfresh.
"""

from __future__ import annotations

import ast
import importlib
import json
import logging
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wheeltapper.errors import ConfigError, DataError, WheeltapperError

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
"""Positions in an array of readings."""
Parameters = Sequence[dict[str, Any]]
"""tsfresh's list of parameter dicts of one calculator; ``[{}]`` where it takes none."""
Kernel = Callable[[Floats, Places, Places, Parameters], Floats]
"""``kernel(values, first, last, parameters)`` → array of shape (n_windows, len(parameters)).

Window i is ``values[first[i] : last[i] + 1]``; windows may overlap and differ in length, and hold finite values only.
"""
Settings = Mapping[str, Sequence[dict[str, Any]] | None]
"""Calculator → its parameter dicts, or None where it takes none: what tsfresh calls ``fc_parameters``."""

Kind = Literal["minimal", "efficient", "comprehensive"]
"""tsfresh's ready-made settings; each holds all of the one before it."""

_log = logging.getLogger("wheeltapper.features")

_FUSED = "minimal"
"""Asked first, and once for all of its calculators: they share one pass over the readings."""
_AS_TEXT = {"augmented_dickey_fuller": ("autolag",)}
"""Parameters that tsfresh writes in quotes whatever they are: ``autolag_"None"``."""
_UNNAMED = {"augmented_dickey_fuller": {"autolag": "AIC"}}
"""Parameters that tsfresh writes into a feature's name even where the settings leave them out."""


def find(calculator: str) -> Kernel | None:
    """Return the kernel of a tsfresh calculator, or None where tsfresh itself has to do it.

    `minimal` wins where two modules offer the same calculator; two others that do are an error.
    """
    fused: dict[str, Kernel] = _module(_FUSED).KERNELS
    return fused.get(calculator) or _others().get(calculator)


def offered() -> tuple[str, ...]:
    """List the calculators that have a kernel, in alphabetical order."""
    return tuple(sorted({*_module(_FUSED).KERNELS, *_others()}))


@cache
def known(kind: Kind) -> tuple[str, ...]:
    """Return the features of one of tsfresh's settings, in tsfresh's order, without importing tsfresh.

    They are read from ``names.json``, which ``python -m wheeltapper.features.kernels._tsfresh`` writes.
    """
    kinds = get_args(Kind)
    belongs: dict[str, Kind] = json.loads((Path(__file__).parent / "names.json").read_text(encoding="utf-8"))
    return tuple(name for name, smallest in belongs.items() if kinds.index(smallest) <= kinds.index(kind))


def names(settings: Settings) -> tuple[str, ...]:
    """Return the features that settings ask for, under tsfresh's names, without the sensor.

    Examples
    --------
    >>> names({"mean": None, "quantile": [{"q": 0.1}, {"q": 0.9}]})
    ('mean', 'quantile__q_0.1', 'quantile__q_0.9')
    """
    return tuple(name_of(calculator, one) for calculator, many in settings.items() for one in many or ({},))


def name_of(calculator: str, parameters: Mapping[str, Any]) -> str:
    """Return tsfresh's name of one feature: ``<calculator>__<parameter>_<value>…``, parameters by name.

    The rule is that of ``tsfresh.utilities.string_manipulation.convert_to_output_format``; it is written here again,
    and tested against it, because importing tsfresh takes seconds and serving needs only the names.
    """
    written = {**_UNNAMED.get(calculator, {}), **parameters}
    written |= {key: str(written[key]) for key in _AS_TEXT.get(calculator, ()) if key in written}
    return "__".join([calculator, *(f"{key}_{_text(written[key])}" for key in sorted(written))])


def _text(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def parse(name: str) -> tuple[str, dict[str, Any]]:
    """Return calculator and parameters of a feature's name: the way back from `name_of`.

    Raises
    ------
    ConfigError
        If a parameter has no value, or one that is no plain Python value.
    """
    calculator, *parts = name.split("__")
    try:
        parameters = {key: ast.literal_eval(text) for key, _, text in (part.rpartition("_") for part in parts) if key}
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"'{name}' is no feature name of tsfresh: {error}.") from error
    if len(parameters) < len(parts):
        raise ConfigError(f"'{name}' is no feature name of tsfresh: it must read <calculator>__<parameter>_<value>.")
    parameters |= {key: None for key in _AS_TEXT.get(calculator, ()) if parameters.get(key) == "None"}
    for key, value in _UNNAMED.get(calculator, {}).items():
        if parameters.get(key) == value:
            del parameters[key]
    return calculator, parameters


@cache
def settings_of(features: tuple[str, ...]) -> Settings:
    """Return the settings that ask for these features and no others: the way back from `names`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for calculator, parameters in map(parse, features):
        found.setdefault(calculator, []).append(parameters)
    return {calculator: None if many == [{}] else many for calculator, many in found.items()}


def compute(
    settings: Settings, values: Floats, first: Places, last: Places, *, blank: bool = False
) -> dict[str, Floats]:
    """Return tsfresh's features of many windows of one sensor.

    A value depends on its own window only, to the last bit.

    Parameters
    ----------
    settings : mapping
        tsfresh's settings: calculator → None, or a list of parameter dicts.
    values : ndarray of shape (n_readings,)
        One sensor, in any unit.
    first, last : ndarray of shape (n_windows,)
        Positions of each window's first and last reading.
    blank : bool
        Give NaN for windows that hold NaN or ±inf, instead of what tsfresh gives.

    Returns
    -------
    dict of ndarray of shape (n_windows,)
        Feature → its values, in the order of `names`. What tsfresh cannot say of a window is NaN, or ±inf where it
        says so; NaN too where it would end with an arithmetical or value error.

    Raises
    ------
    ConfigError
        If tsfresh has no such calculator.
    DataError
        If a window is empty or lies outside the readings.
    """
    # Always contiguous and writable: numba compiles a kernel afresh for every other kind of array.
    values = np.require(values, np.float64, ["C", "W"])
    first, last = np.require(first, np.int64, ["C", "W"]), np.require(last, np.int64, ["C", "W"])
    _require_windows(len(values), first, last)
    whole = _are_finite(values, first, last)
    if whole.all():
        return _compute_whole(settings, values, first, last)
    found = _compute_whole(settings, values, first[whole], last[whole])
    rest = {} if blank else _ask_tsfresh(settings, values, first[~whole], last[~whole])
    result = {}
    for name, part in found.items():
        result[name] = np.full(len(first), np.nan)
        result[name][whole] = part
        if not blank:
            result[name][~whole] = rest[name]
    return result


def _ask_tsfresh(settings: Settings, values: Floats, first: Places, last: Places) -> dict[str, Floats]:
    """Compute windows with tsfresh's own functions and nothing else."""
    blocks = {
        calculator: _careful(calculator, _without_kernel(calculator), values, first, last, many or [{}])
        for calculator, many in settings.items()
    }
    return _by_name(settings, blocks)


def _compute_whole(settings: Settings, values: Floats, first: Places, last: Places) -> dict[str, Floats]:
    """Compute windows without NaN and inf: kernels where there are, tsfresh for the rest."""
    blocks: dict[str, Floats] = {}
    fused = _module(_FUSED)
    asked = [calculator for calculator in settings if calculator in fused.KERNELS]
    if asked:
        together: dict[str, Floats] = fused.together(values, first, last)
        blocks = {calculator: together[calculator][:, None] for calculator in asked}
    for calculator, many in settings.items():
        if calculator not in blocks:
            parameters = list(many or [{}])
            kernel = find(calculator) or _without_kernel(calculator)
            blocks[calculator] = _careful(calculator, kernel, values, first, last, parameters)
    return _by_name(settings, blocks)


def _careful(
    calculator: str, kernel: Kernel, values: Floats, first: Places, last: Places, parameters: Parameters
) -> Floats:
    """Call a kernel; a window that it cannot do has no value, and all others have theirs.

    tsfresh ends the whole extraction where a window of readings that differ by a last bit has no room for ten bins.
    The windows are halved until the one is found; then it is asked for one parameter after the other.
    """
    try:
        return kernel(values, first, last, parameters)
    except (ArithmeticError, ValueError) as error:
        if isinstance(error, WheeltapperError):
            raise
        if len(first) == 1 and len(parameters) == 1:
            _say_once(calculator, f"{type(error).__name__}: {error}")
            return np.full((1, 1), np.nan)
    if len(first) == 1:
        alone = [_careful(calculator, kernel, values, first, last, [one]) for one in parameters]
        return np.concatenate(alone, axis=1)
    half = len(first) // 2
    parts = [(first[:half], last[:half]), (first[half:], last[half:])]
    return np.concatenate([_careful(calculator, kernel, values, *part, parameters) for part in parts])


@cache
def _say_once(calculator: str, why: str) -> None:
    _log.debug("%s has no value for some windows (%s)", calculator, why)


def _without_kernel(calculator: str) -> Kernel:
    """Return tsfresh's own function in a kernel's clothes."""
    from wheeltapper.features.kernels import _tsfresh

    return lambda values, first, last, many: _tsfresh.calculate(calculator, many, values, first, last)


def _by_name(settings: Settings, blocks: Mapping[str, Floats]) -> dict[str, Floats]:
    """Give every column of every block its feature's name."""
    return {
        name_of(calculator, one): np.ascontiguousarray(blocks[calculator][:, place], dtype=np.float64)
        for calculator, many in settings.items()
        for place, one in enumerate(many or ({},))
    }


def _are_finite(values: Floats, first: Places, last: Places) -> NDArray[np.bool_]:
    """Tell which windows hold neither NaN nor inf."""
    so_far = np.concatenate([[0], np.cumsum(~np.isfinite(values))])
    return np.asarray(so_far[last + 1] == so_far[first])


def _require_windows(n: int, first: Places, last: Places) -> None:
    if first.shape != last.shape or first.ndim != 1:
        raise DataError(f"every window needs a first and a last reading; got {first.shape} and {last.shape}")
    bad = np.flatnonzero((first < 0) | (last < first) | (last >= n))
    if len(bad):
        at = bad[0]
        raise DataError(f"window {at} runs from reading {first[at]} to {last[at]}, but there are readings 0 to {n - 1}")


def modules() -> list[str]:
    """List the modules that offer kernels, in the order of their names."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


@cache
def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


@cache
def _others() -> dict[str, Kernel]:
    """Return the kernels of all modules but the fused one; importing them takes a while, so it is done once."""
    owners: dict[str, str] = {}
    found: dict[str, Kernel] = {}
    for name in modules():
        if name == _FUSED:
            continue
        for calculator, kernel in _module(name).KERNELS.items():
            if calculator in _module(_FUSED).KERNELS:
                continue
            if calculator in owners:
                raise ConfigError(f"kernels/{owners[calculator]}.py and kernels/{name}.py both offer {calculator}")
            owners[calculator], found[calculator] = name, kernel
    return found
