"""Formulas are arithmetic: right numbers, and nothing that could run code."""

from __future__ import annotations

import math

import numpy as np
import pytest

from wheeltapper.config import AssetType
from wheeltapper.config.formulas import LONGEST, evaluate, names_in, sources

KNOWN = [
    ("2 + 3 * flow", 14),
    ("(2 + 3) * flow", 20),
    ("-flow ** 2", -16),
    ("flow ** -0.5", 0.5),
    ("max(flow - 5, 0) + min(flow, 1)", 1),
    ("sqrt(flow) + abs(-flow) + exp(0) - log(1)", 7),
    ("  1e3 / flow ", 250),
]


@pytest.mark.parametrize(("formula", "value"), KNOWN)
def test_arithmetic(formula: str, value: float) -> None:
    """With a flow of 4, as one would compute by hand; arrays give arrays."""
    assert evaluate(formula, {"flow": 4.0}) == pytest.approx(value)
    assert evaluate(formula, {"flow": np.array([4.0, 4.0])}) == pytest.approx([value, value])


def test_what_has_no_value_is_no_error() -> None:
    """0/0 and the root of something negative are NaN; a huge power is infinity and takes no time."""
    with np.errstate(all="ignore"):
        assert math.isnan(evaluate("flow / flow", {"flow": 0.0 * np.ones(1)})[0])
        assert math.isnan(evaluate("sqrt(flow)", {"flow": np.float64(-1)}))
        assert evaluate("9 ** 9 ** 9 ** 9", {}) == math.inf


def test_the_names_in_a_formula() -> None:
    """Each once, in the order in which they come; functions are no names."""
    assert names_in("max(flow, pressure) * flow") == ("flow", "pressure")


NO_FORMULA = [
    "__import__('os').system('true')",
    "flow.real",
    "flow[0]",
    "(lambda: 1)()",
    "[flow]",
    "flow if flow else 1",
    "flow > 1",
    "flow and 1",
    "'text'",
    "True",
    "2j",
    "1e999",
    "9" * 400,
    "sqrt(flow, 2)",
    "sqrt(x=flow)",
    "sqrt(*flow)",
    "eval('1')",
    "flow // 2",
    "flow := 2",
    "flow +",
    "",
    "(" * 400,
    "1 + " * LONGEST + "1",
]


@pytest.mark.parametrize("formula", NO_FORMULA)
def test_nothing_but_arithmetic(formula: str) -> None:
    """Attributes, items, calls, texts, comparisons and half sentences are refused, not computed."""
    with pytest.raises(ValueError, match=r"formula|arithmetic|cannot be computed"):
        names_in(formula)
    with pytest.raises(ValueError, match=r"formula|arithmetic|cannot be computed"):
        evaluate(formula, {"flow": 1.0})


def test_a_slip_in_a_function_is_met_half_way() -> None:
    """Sqr is not known; sqrt is."""
    with pytest.raises(ValueError, match="Did you mean 'sqrt'"):
        names_in("sqr(flow)")


def test_sources_go_through_other_quantities() -> None:
    """Power comes from head and flow, and head from pressure: in whatever order the formulas stand."""
    twin = {"current": "power / 3", "power": "head * flow", "head": "pressure * 10"}
    found = sources(twin, ["pressure", "flow", "current"])
    assert found["current"] == ("pressure", "flow")
    assert list(found) == ["head", "power", "current"]


WRONG_TWINS = [
    ({"pressure": "2 * flwo"}, r"'flwo' is neither a sensor nor a quantity.*Did you mean 'flow'"),
    ({"presure": "2 * flow"}, r"'presure' is no sensor, and no other formula uses it. Did you mean 'pressure'"),
    ({"pressure": "head", "head": "pressure / 2"}, "pressure is expected from pressure itself"),
    (
        {"pressure": "a", "a": "b + 1", "b": "a - 1"},
        r"(a needs b needs a|b needs a needs b): one of them must be measured",
    ),
    ({"pressure": "flow.max()"}, "cannot be computed|not arithmetic"),
]


@pytest.mark.parametrize(("twin", "words"), WRONG_TWINS)
def test_a_twin_that_says_nothing_is_refused(twin: dict[str, str], words: str) -> None:
    """When the asset type is written, with the near miss."""
    sensors = {"pressure": {"unit": "bar"}, "flow": {"unit": "m³/h"}}
    with pytest.raises(ValueError, match=words):
        AssetType.model_validate({"name": "pump", "step": "1min", "sensors": sensors, "twin": twin})
