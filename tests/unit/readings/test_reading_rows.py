"""Units, regimes and categories: what becomes of them where a row is read, and what goes to quarantine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from wheeltapper import config
from wheeltapper.config import AssetType, Plant
from wheeltapper.errors import ConfigError
from wheeltapper.readings import clean
from wheeltapper.sources import Batch

PAGE = """
asset_type:
  step: 1min
  sensors:
    temperature: {{unit: °C, low: -50, high: 150}}
    current: {{unit: A, low: 0, high: 100}}
  {types}
source: {{csv_folder: {{path: here}}}}
cleaning: {cleaning}
features: [latest]
candidates: [lof]
"""


def plant(cleaning: str = "{}", types: str = "") -> Plant:
    """Return a plant whose page says this about cleaning."""
    return config.parse(PAGE.format(cleaning=cleaning, types=types), name="tiny", folder=Path(), where="tiny.yaml")


def batch(**columns: list[Any]) -> Batch:
    """Return rows a minute apart."""
    count = len(next(iter(columns.values())))
    times = pd.date_range("2026-01-05", periods=count, freq="min", tz="UTC").as_unit("us")
    usual: dict[str, Any] = {"temperature": [20.0] * count, "current": [50.0] * count}
    return Batch("tiny.csv", pd.DataFrame({"asset_id": "a", "timestamp": times, **usual, **columns}))


def test_fahrenheit_become_degrees() -> None:
    """212 °F are 100 °C, 32 °F are none, -40 are the same; a missing value stays missing, and its row stays.

    Reference row 002-06.
    """
    parsed = clean.parse(batch(temperature=["212", "32", "-40", ""]), plant("{units: {temperature: °F}}"))
    assert parsed.rows["temperature"].to_numpy() == pytest.approx([100.0, 0.0, -40.0, np.nan], nan_ok=True, abs=1e-9)
    assert parsed.rows["current"].tolist() == [50.0] * 4


def test_quarantine_keeps_the_unit_that_came() -> None:
    """A row without an asset is put aside with 212, not 100; so is one that a later check finds fault with.

    Reference row 002-06.
    """
    converting = plant("{units: {temperature: °F}}")
    delivered = batch(temperature=[212.0, 77.0])
    delivered.rows.loc[0, "asset_id"] = ""
    parsed = clean.parse(delivered, converting)
    assert json.loads(parsed.rejected.loc[0, "content"])["temperature"] == 212.0
    kept = clean.as_delivered(parsed.rows, converting)
    assert kept["temperature"].tolist() == [77.0]
    assert [name for name in kept if "delivered" in str(name)] == []
    assert "delivered:temperature" not in clean.without_delivered(parsed.rows)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("{temperatur: °F}", "no sensor 'temperatur' .*Did you mean 'temperature'"),
        ("{temperature: foo}", "temperature: unit 'foo' is not known"),
        ("{temperature: kg}", "temperature is in °C, which measures temperature; 'kg' measures mass"),
        ("{current: bar}", "current is in A, which measures current; 'bar' measures pressure"),
    ],
)
def test_a_unit_that_cannot_be_meant_is_refused_when_the_plant_is_read(wrong: str, message: str) -> None:
    """An unknown sensor or unit, or one that measures something else, is a mistake in the page.

    Reference row 002-06.
    """
    with pytest.raises(ConfigError, match=message):
        plant(f"{{units: {wrong}}}")


RULES = "{regimes: [{regime: off, sensor: current, below: 5}, {regime: high_load, sensor: current, above: 80}]}"


def test_a_row_without_a_regime_gets_it_from_the_first_rule_that_fits() -> None:
    """Below 5 A is off, above 80 A high load, and exactly 5 A, or no value at all, is normal. Reference row 002-06."""
    parsed = clean.parse(batch(current=[0.0, 5.0, 50.0, 81.0, np.nan]), plant(RULES))
    assert parsed.rows["regime"].tolist() == ["off", "normal", "normal", "high_load", "normal"]


def test_what_the_source_says_about_the_regime_stands() -> None:
    """Only an empty cell is filled in; a named state stays, and an unknown one is put aside as ever.

    Reference row 002-06.
    """
    delivered = batch(current=[0.0, 0.0, 0.0], regime=["startup", "", "sleeping"])
    parsed = clean.parse(delivered, plant(RULES))
    assert parsed.rows["regime"].tolist() == ["startup", "off"]
    assert parsed.rejected["expectation"].tolist() == ["regime_known"]


def test_without_rules_a_missing_regime_is_put_aside_as_ever() -> None:
    """Rules are asked for, never assumed."""
    parsed = clean.parse(batch(current=[0.0], regime=[""]), plant())
    assert parsed.rejected["reason"].str.startswith("regime is missing").all()


def test_the_first_of_two_rules_that_fit_wins_and_two_bounds_mean_between() -> None:
    """Between 10 and 20 is startup although a later, wider rule fits, too."""
    rules = (
        "{regimes: [{regime: startup, sensor: current, above: 10, below: 20}, "
        "{regime: maintenance, sensor: current, below: 30}]}"
    )
    parsed = clean.parse(batch(current=[10.0, 15.0, 20.0, 40.0]), plant(rules))
    assert parsed.rows["regime"].tolist() == ["maintenance", "startup", "maintenance", "normal"]


def test_a_rule_is_in_the_unit_of_the_asset_type() -> None:
    """3000 mA are 3 A: below 5 A."""
    rules = RULES.replace("{regimes", "{units: {current: mA}, regimes")
    assert clean.parse(batch(current=[3000.0]), plant(rules)).rows["regime"].tolist() == ["off"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{regime: off, sensor: current}", "a rule needs below, above, or both"),
        (
            "{regime: off, sensor: current, above: 9, below: 5}",
            "above must be less than below, got above 9 and below 5",
        ),
        ("{regime: of, sensor: current, below: 5}", "'of' is none of .*Did you mean 'off'"),
        ("{regime: off, sensor: curent, below: 5}", "no sensor 'curent' .*Did you mean 'current'"),
        ("{regime: off, sensor: current, below: 0}", "can never fire: current shows 0 to 100 A"),
        ("{regime: off, sensor: current, above: 100}", "can never fire"),
        (
            "{regime: off, sensor: current, below: 5}, {regime: startup, sensor: current, below: 3}",
            "'current below 3 means startup' can never fire: rules before it decide wherever it fits",
        ),
        (
            "{regime: off, sensor: current, below: 5}, {regime: startup, sensor: current, above: 3}, "
            "{regime: high_load, sensor: current, above: 1}",
            "'current above 1 means high_load' can never fire",
        ),
    ],
)
def test_a_rule_that_can_never_fire_is_refused_when_the_plant_is_read(rule: str, message: str) -> None:
    """Each mistake in a rule is named with what is known."""
    with pytest.raises(ConfigError, match=message):
        plant(f"{{regimes: [{rule}]}}")


def test_rules_that_leave_a_single_value_do_fire() -> None:
    """Below 5 and above 5 leave exactly 5 for the third."""
    rules = ", ".join(
        f"{{regime: {regime}, sensor: current, {bound}}}"
        for regime, bound in (("off", "below: 5"), ("high_load", "above: 5"), ("startup", "below: 9"))
    )
    parsed = clean.parse(batch(current=[4.0, 5.0, 6.0]), plant(f"{{regimes: [{rules}]}}"))
    assert parsed.rows["regime"].tolist() == ["off", "startup", "high_load"]


TYPES = "categories: {product: [L, M, H]}"


def test_a_category_becomes_one_sensor_of_0_and_1_for_each_value() -> None:
    """L, M and H are three sensors; blanks do not count. Reference row 003-06."""
    parsed = clean.parse(batch(product=["L", " H ", "M"]), plant(types=TYPES))
    hot = parsed.rows[["product_is_L", "product_is_M", "product_is_H"]]
    assert hot.to_numpy().tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert (hot.dtypes == "float64").all()
    assert dict(parsed.notes) == {}


def test_an_unknown_or_missing_category_is_all_zeros_and_noted() -> None:
    """The row stays, and so do the windows round it: no value is missing. Reference row 003-06."""
    parsed = clean.parse(batch(product=["X", None, "l", "X"]), plant(types=TYPES))
    assert len(parsed.rejected) == 0
    assert (parsed.rows[["product_is_L", "product_is_M", "product_is_H"]].to_numpy() == 0).all()
    assert dict(parsed.notes) == {
        "product 'X' is none of L, M, H": 2,
        "product is missing": 1,
        "product 'l' is none of L, M, H": 1,
    }


def test_quarantine_keeps_the_word_that_came() -> None:
    """A row that a later check finds fault with is put aside with its product, not with three numbers.

    Reference row 003-06.
    """
    line = plant(types=TYPES)
    kept = clean.as_delivered(clean.parse(batch(product=["X"]), line).rows, line)
    assert kept["product"].tolist() == ["X"]
    assert not any("_is_" in str(name) for name in kept)


def test_a_row_with_a_category_and_no_measured_value_is_no_reading() -> None:
    """A name alone measures nothing."""
    parsed = clean.parse(batch(product=["L"], temperature=[np.nan], current=[np.nan]), plant(types=TYPES))
    assert parsed.rejected["expectation"].tolist() == ["some_value"]


def test_numbers_may_be_categories() -> None:
    """1 and 2 of a column with a gap come as 1.0 and 2.0 and mean the same. Reference row 003-06."""
    parsed = clean.parse(batch(line=[1.0, np.nan, 2.0]), plant(types="categories: {line: [1, 2]}"))
    assert parsed.rows["line_is_1"].tolist() == [1, 0, 0]
    assert parsed.rows["line_is_2"].tolist() == [0, 0, 1]


def test_a_source_is_asked_for_the_category_itself() -> None:
    """The three sensors are the plant's own; a type that was written and read back is the same.

    Reference row 003-06.
    """
    kind = plant(types="categories: {name: [Boiler A, Boiler B]}").asset_type
    assert kind.delivered == ("temperature", "current", "name")
    assert kind.derived == ("name_is_Boiler_A", "name_is_Boiler_B")
    assert kind.measured == ("temperature", "current")
    assert AssetType.model_validate_json(kind.model_dump_json()) == kind


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("{product: [A-1, A 1]}", "'A 1' would be a second sensor 'product_is_A_1'"),
        ("{product: []}", "category product has no values"),
        ("{product: [yes, no]}", "product: YAML reads yes, no, on and off as flags"),
        ("{product: ['高']}", "'高' has no letter a to z and no digit"),
        ("{current: [L]}", "'current' cannot be a category's name"),
        ("{regime: [L]}", "'regime' cannot be a category's name"),
        ("{a__b: [L]}", "'a__b' cannot be a category's name"),
    ],
)
def test_a_category_that_cannot_be_named_is_refused_when_the_plant_is_read(wrong: str, message: str) -> None:
    """Names clash, are empty, or cannot be a column's. Reference row 003-06."""
    with pytest.raises(ConfigError, match=message):
        plant(types=f"categories: {wrong}")
