"""Formulas as text: arithmetic on named quantities, and nothing that could run code.

``(max(duty_cycle, 0) / 75) ** (2 / 3)`` is a formula. Numbers, names, brackets, ``+ - * / **`` and the functions of
`FUNCTIONS` are all that there is. They stand in a plant's YAML and travel in a bundle's JSON, so they must not be able
to do more than arithmetic.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

from wheeltapper.spelling import near_miss

FUNCTIONS = {"sqrt": 1, "exp": 1, "log": 1, "abs": 1, "min": 2, "max": 2}
"""Function → how many values it takes."""
LONGEST = 500
"""Letters; a longer formula is better cut into named quantities, and cannot exhaust the reader either."""

_HUGE = 1e300
"""No quantity is larger, and no float much."""
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


def names_in(formula: str) -> tuple[str, ...]:
    """Return the quantities that a formula is computed from, in the order in which they come.

    Raises
    ------
    ValueError
        If it is no formula; the message says which part is not.
    """
    return _parse(formula)[1]


def evaluate(formula: str, values: Mapping[str, Any]) -> Any:
    """Return what a formula gives for numbers or for arrays of one shape; NaN or infinity where it has no value.

    Raises
    ------
    ValueError
        If it is no formula.
    KeyError
        If a quantity has no value.
    """
    return _value(_parse(formula)[0], values)


@lru_cache(maxsize=256)
def _parse(formula: str) -> tuple[ast.expr, tuple[str, ...]]:
    """Return the tree of a formula, all of it arithmetic, and the names in it."""
    if len(formula) > LONGEST:
        raise ValueError(f"a formula has at most {LONGEST} letters, this one has {len(formula)}; cut it into two")
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"'{formula}' is no formula: {error}. Write it like 2 * flow + sqrt(pressure)") from error
    return tree, tuple(dict.fromkeys(_check(tree, formula)))


def _check(part: ast.expr, formula: str) -> list[str]:
    """Return the names in a part of a formula, or refuse what is not arithmetic."""
    match part:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool) and abs(number) < _HUGE:
            return []
        case ast.Name():
            return [part.id]
        case ast.BinOp() if type(part.op) in _OPERATORS:
            return _check(part.left, formula) + _check(part.right, formula)
        case ast.UnaryOp() if type(part.op) in _OPERATORS:
            return _check(part.operand, formula)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if len(part.args) == FUNCTIONS.get(name):
            return [name for argument in part.args for name in _check(argument, formula)]
        case ast.Call(func=ast.Name(id=name)):
            raise ValueError(
                f"'{formula}': {ast.unparse(part)} cannot be computed; functions and how many values they take: "
                f"{FUNCTIONS}.{near_miss(name, list(FUNCTIONS))}"
            )
    raise ValueError(
        f"'{formula}': '{ast.unparse(part)}' is not arithmetic. Use numbers, names, + - * / **, brackets and "
        f"{', '.join(FUNCTIONS)}"
    )


def _value(part: ast.expr, values: Mapping[str, Any]) -> Any:
    import numpy as np

    match part:
        case ast.Constant(value=int() | float() as number):
            return np.float64(number)
        case ast.Name():
            return values[part.id]
        case ast.BinOp():
            return _OPERATORS[type(part.op)](_value(part.left, values), _value(part.right, values))
        case ast.UnaryOp():
            return _OPERATORS[type(part.op)](_value(part.operand, values))
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            function = {"min": np.minimum, "max": np.maximum}.get(name) or getattr(np, name)
            return function(*(_value(argument, values) for argument in part.args))
    raise ValueError(f"'{ast.unparse(part)}' is not arithmetic")


def sources(twin: Mapping[str, str], sensors: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the sensors that each formula of a twin is computed from, through other quantities too.

    Parameters
    ----------
    twin : mapping
        Sensor, or quantity that other formulas use → its formula; in any order. A sensor's name in a formula always
        means its measured value.
    sensors : collection of str
        The sensors of the asset type.

    Returns
    -------
    dict
        In an order in which they can be computed.

    Raises
    ------
    ValueError
        If a formula is none or uses an unknown quantity, if quantities need each other, if a sensor is expected from
        itself, or if a quantity is never used (most often a misspelt sensor's name).
    """
    needs = {name: names_in(formula) for name, formula in twin.items()}
    sensors_of: dict[str, tuple[str, ...]] = {}
    for name in _order(needs, sensors):
        needed = [(quantity,) if quantity in sensors else sensors_of[quantity] for quantity in needs[name]]
        sensors_of[name] = tuple(dict.fromkeys(sensor for names in needed for sensor in names))
        if name in sensors_of[name]:
            raise ValueError(f"twin: {name} is expected from {name} itself, which says nothing. Use other sensors")
    for name in twin:
        if name not in sensors and not any(name in quantities for quantities in needs.values()):
            near = near_miss(name, list(sensors))
            raise ValueError(f"twin: '{name}' is no sensor, and no other formula uses it.{near}")
    return sensors_of


def _order(needs: Mapping[str, tuple[str, ...]], sensors: Collection[str]) -> list[str]:
    """Return names such that each comes after the quantities that it needs."""
    computed = {name: [used for used in names if used not in sensors] for name, names in needs.items()}
    for name, quantities in computed.items():
        for quantity in quantities:
            if quantity not in needs:
                allowed = [*sensors, *needs]
                raise ValueError(
                    f"twin, {name}: '{quantity}' is neither a sensor nor a quantity of the twin (there are: "
                    f"{', '.join(dict.fromkeys(allowed))}).{near_miss(quantity, allowed)}"
                )
    try:
        return list(TopologicalSorter(computed).static_order())
    except CycleError as error:
        raise ValueError(f"twin: {' needs '.join(reversed(error.args[1]))}: one of them must be measured") from error
