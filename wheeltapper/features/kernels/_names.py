"""tsfresh's names of features, and the settings that produce them.

A name reads ``<calculator>__<parameter>_<value>…``. That is tsfresh's own protocol; this module is the only one that
reads it. Importing it imports neither numba nor tsfresh.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from wheeltapper.errors import ConfigError

Settings = Mapping[str, Sequence[dict[str, Any]] | None]
"""Calculator → its parameter dicts, or None where it takes none; tsfresh's ``fc_parameters``."""

Kind = Literal["minimal", "efficient", "comprehensive"]
"""tsfresh's ready-made settings; each holds all of the one before it."""

_AS_TEXT = {"augmented_dickey_fuller": ("autolag",)}
"""Parameters that tsfresh writes in quotes whatever they are: ``autolag_"None"``."""
_UNNAMED = {"augmented_dickey_fuller": {"autolag": "AIC"}}
"""Parameters that tsfresh writes into a feature's name even where the settings leave them out."""


FILE = Path(__file__).parent / "names.json"
"""Every feature of tsfresh's settings, and the smallest settings that hold it."""


@cache
def known(kind: Kind) -> tuple[str, ...]:
    """Return the features of one of tsfresh's settings, in tsfresh's order, without importing tsfresh.

    They are read from ``names.json``, which ``python -m wheeltapper.features.kernels._tsfresh`` writes.
    """
    kinds = get_args(Kind)
    belongs: dict[str, Kind] = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(name for name, smallest in belongs.items() if kinds.index(smallest) <= kinds.index(kind))


def names(settings: Settings) -> tuple[str, ...]:
    """Return the features that settings produce, under tsfresh's names, without the sensor.

    Examples
    --------
    >>> names({"mean": None, "quantile": [{"q": 0.1}, {"q": 0.9}]})
    ('mean', 'quantile__q_0.1', 'quantile__q_0.9')
    """
    return tuple(
        name_of(calculator, parameters) for calculator, many in settings.items() for parameters in many or ({},)
    )


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
    """Return the settings that produce these features and no others: the way back from `names`."""
    parameters_of: dict[str, list[dict[str, Any]]] = {}
    for calculator, parameters in map(parse, features):
        parameters_of.setdefault(calculator, []).append(parameters)
    return {calculator: None if many == [{}] else many for calculator, many in parameters_of.items()}


def calculator_of(name: str) -> str:
    """Return the calculator of a feature's name.

    Examples
    --------
    >>> calculator_of("quantile__q_0.9")
    'quantile'
    """
    return name.partition("__")[0]


def words_of(name: str) -> str:
    """Return a feature's name as words.

    Examples
    --------
    >>> words_of("quantile__q_0.9")
    'quantile, q 0.9'
    """
    return name.replace("__", ", ").replace("_", " ")
