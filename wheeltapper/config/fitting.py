"""Checks a plant against its asset type: units of the same kind, rules that can fire, faults that it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wheeltapper.config.cleaning import Conditioning, RegimeRule
from wheeltapper.config.machines import AssetType
from wheeltapper.config.values import format_duration
from wheeltapper.spelling import near_miss

Span = tuple[float, float]


def require_units(units: Mapping[str, str], asset_type: AssetType) -> None:
    """Refuse a unit that cannot be converted into its sensor's.

    Raises
    ------
    ValueError
        Naming the sensor and what both units measure.
    """
    for name, unit in units.items():
        if name in asset_type.derived:
            raise ValueError(f"cleaning.units: {name} stands for a category and has no unit. Remove it")
        _require_sensor(name, asset_type, "cleaning.units")
        require_conversion(unit, asset_type.sensors[name].unit, name)


def require_conversion(source_unit: str, sensor_unit: str, sensor: str) -> None:
    """Refuse a source's unit that is not known, or does not measure the same quantity as the sensor's unit.

    Raises
    ------
    ValueError
    """
    import pint

    registry = pint.application_registry
    try:
        if not source_unit.strip():
            raise ValueError("nothing was written")
        registry.parse_units(source_unit)
    except Exception as error:  # pint raises whatever its parser met
        raise ValueError(
            f"cleaning.units: {sensor}: unit '{source_unit}' is not known. Write it like bar, psi, mm/s, m³/h, °F, A, %"
        ) from error
    try:
        registry.Quantity(1.0, source_unit).to(sensor_unit)
    except pint.PintError as error:
        raise ValueError(
            f"cleaning.units: {sensor} is in {sensor_unit}, which measures {_quantity(sensor_unit)}; "
            f"'{source_unit}' measures {_quantity(source_unit)}. "
            f"Name the unit that the source delivers, or correct the unit of {sensor}"
        ) from error


def _quantity(unit: str) -> str:
    """Return the quantity that a unit measures: ``mass``, ``length / time``."""
    import pint

    registry = pint.application_registry
    dimensions = registry.parse_units(unit).dimensionality
    names = [name for name, unit in _QUANTITIES.items() if registry.parse_units(unit).dimensionality == dimensions]
    return names[0] if names else str(dimensions).replace("[", "").replace("]", "")


_QUANTITIES = {
    "pressure": "bar",
    "power": "W",
    "energy": "J",
    "volume": "l",
    "volume flow": "l/s",
    "speed": "m/s",
    "acceleration": "m/s²",
    "force": "N",
    "voltage": "V",
    "frequency": "Hz",
    "a pure number": "1",
}


def require_rules_that_fire(rules: Sequence[RegimeRule], asset_type: AssetType) -> None:
    """Refuse a rule about an unknown sensor or regime, and one that can never decide anything.

    Raises
    ------
    ValueError
        Naming the rule and why it never fires.
    """
    if rules and "normal" not in asset_type.regimes:
        raise ValueError(
            "cleaning.regimes: rows that no rule fits are 'normal', which is none of the asset type's regimes "
            f"({', '.join(asset_type.regimes)}). Add it to them"
        )
    for place, rule in enumerate(rules):
        _require_sensor(rule.sensor, asset_type, "cleaning.regimes")
        if rule.regime not in asset_type.regimes:
            raise ValueError(
                f"cleaning.regimes: '{rule.regime}' is none of {', '.join(asset_type.regimes)}."
                f"{near_miss(rule.regime, list(asset_type.regimes))}"
            )
        sensor = asset_type.sensors[rule.sensor]
        low, high = rule.span
        if (sensor.low is not None and high <= sensor.low) or (sensor.high is not None and low >= sensor.high):
            raise ValueError(
                f"cleaning.regimes: the rule '{rule.sentence()}' can never fire: {rule.sensor} shows {sensor.limits()}"
            )
        before = [earlier.span for earlier in rules[:place] if earlier.sensor == rule.sensor]
        if _covers(before, rule.span):
            raise ValueError(
                f"cleaning.regimes: the rule '{rule.sentence()}' can never fire: rules before it decide wherever it "
                "fits. Put the narrower rule first, or remove it"
            )


def _covers(spans: Sequence[Span], span: Span) -> bool:
    """Tell whether open intervals together cover another one."""
    reached = span[0]
    for low, high in sorted(spans):
        # Two that only touch leave the value between them.
        if low < reached or (low == reached == span[0]):
            reached = max(reached, high)
    return reached >= span[1]


def require_conditioning(how: Conditioning, asset_type: AssetType) -> None:
    """Refuse a grid that is finer than the readings, and sensors that do not exist or cannot be filled.

    A value may be filled in for longer than the longest gap: one sensor may be silent for hours while others go on.

    Raises
    ------
    ValueError
        Naming the key and what would be allowed.
    """
    if how.resample is not None and how.resample < asset_type.step:
        raise ValueError(
            f"cleaning.resample must be at least the asset type's step of {format_duration(asset_type.step)}, or most "
            f"of the grid is empty; got {format_duration(how.resample)}. Write a longer one, or correct the step"
        )
    step = how.resample or asset_type.step
    for name in how.smooth:
        _require_sensor(name, asset_type, "cleaning.smooth")
    for name, age in how.fill.items():
        _require_sensor(name, asset_type, "cleaning.fill")
        if asset_type.sensors[name].counter:
            raise ValueError(
                f"cleaning.fill: {name} is a counter: its last value would say that nothing was counted, and then all "
                "at once. Leave it missing, or use cleaning.resample"
            )
        if age < step:
            raise ValueError(
                f"cleaning.fill: {name}: no value is younger than the {format_duration(step)} between readings; "
                f"got {format_duration(age)}"
            )


def require_fault_kinds(kinds: Iterable[str], asset_type: AssetType, where: str) -> None:
    """Refuse a kind of fault that the asset type does not have: a setting for it would have no effect.

    Raises
    ------
    ValueError
        Naming the kind and its near miss.
    """
    allowed = list(asset_type.faults)
    for kind in kinds:
        if kind not in allowed:
            raise ValueError(
                f"{where}: {asset_type.name} has no fault kind '{kind}' (it has: {', '.join(allowed) or 'none'})."
                f"{near_miss(kind, allowed)}"
            )


def _require_sensor(name: str, asset_type: AssetType, where: str) -> None:
    allowed = asset_type.measured
    if name not in allowed:
        raise ValueError(
            f"{where}: {asset_type.name} has no sensor '{name}' (it has: {', '.join(allowed)})."
            f"{near_miss(name, allowed)}"
        )
