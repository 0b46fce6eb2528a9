"""Descriptions of feature rows that tests write by hand."""

from __future__ import annotations

from wheeltapper.features.columns import Feature, Shows


def of(sensor: str, **columns: Shows) -> list[Feature]:
    """Describe columns of one sensor: ``of("flow", rate="rate")`` is the column ``flow__rate``, which shows a rate."""
    return [Feature(f"{sensor}__{what}", (sensor,), shows) for what, shows in columns.items()]


def restless(*sensors: str, rows: int = 10) -> list[Feature]:
    """Describe how restless each sensor is over so many readings."""
    return [Feature(f"{sensor}__restless_{rows}_rows", (sensor,), "restlessness", over=rows) for sensor in sensors]


def sequences(*sensors: str, steps: int) -> list[Feature]:
    """Describe a sequence of each sensor."""
    return [
        Feature(f"{sensor}__at_{place}", (sensor,), "sequence", place=place)
        for sensor in sensors
        for place in range(steps)
    ]
