"""One writer for the message about an option that cannot be: owner, name, what is allowed, what came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real


def check_whole(owner: str, name: str, value: object, *, low: int) -> None:
    """Refuse an option that is no whole number of at least ``low``.

    Raises
    ------
    ValueError
        `detectors.build` turns it into a ``ConfigError`` that names the detector.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
        raise ValueError(f"{owner}'s option '{name}' must be a whole number of at least {low}, got {value!r}")


def check_between(owner: str, name: str, value: object, *, low: float, high: float) -> None:
    """Refuse an option that is no number strictly between ``low`` and ``high``.

    Raises
    ------
    ValueError
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not low < value < high:  # type: ignore[operator]
        raise ValueError(f"{owner}'s option '{name}' must be a number above {low:g} and below {high:g}, got {value!r}")


def check_limits(name: str, value: object) -> dict[str, float]:
    """Return a mapping of sensors to limits, or say what came instead."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(_is_number(limit) for limit in value.values()):
        raise ValueError(f"option '{name}' must be a mapping of sensors to numbers, got {value!r}")
    return {str(sensor): float(limit) for sensor, limit in value.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
