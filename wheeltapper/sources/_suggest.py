"""From a look at a file to the options that would read it, each with its reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wheeltapper.config import Plant, Sensor
from wheeltapper.errors import SourceError
from wheeltapper.sources import Suggestion
from wheeltapper.sources._csv import SEPARATORS, WHITESPACE
from wheeltapper.sources._files import locate, natural, text_ending
from wheeltapper.sources._layout import SENSOR_WORDS, like
from wheeltapper.sources._meaning import (
    Tagging,
    TimeColumns,
    as_time,
    find_machines,
    find_tags,
    find_times,
    match_sensors,
)
from wheeltapper.sources._sniff import Sniffed, is_missing, is_number, no_table, sniff

_LABEL = re.compile(r"anomal|fault|failure|label|st[öo]rung|defect", re.IGNORECASE)
_PATTERN_OF_ALL = "**/*"


def suggest_csv(plant: Plant, options: dict[str, Any]) -> Suggestion | None:
    """Look at the first file that the options name, and suggest options that read it; None if there is none."""
    first_file = _first_file(plant, options)
    if first_file is None:
        return None
    path, files = first_file
    plan = _Plan(dict(options))
    if files is not None:
        plan.put("files", files, because="that is how the files end")
    description = no_table(path)
    table = None if description else sniff(path)
    if table is None:
        return Suggestion(
            path.name, plan.options, plan.because, (f"{path.name} is {description or 'no table of numbers'}",)
        )
    table = _named(table, options)
    _write_format(plan, table)
    times = _write_times(plan, table, options)
    sensors = {name: plant.asset_type.sensors[name] for name in plant.asset_type.measured}
    _write_columns(plan, table, sensors, times, options)
    return Suggestion(path.name, plan.options, plan.because, tuple(plan.notes))


@dataclass
class _Plan:
    """Options on their way to a suggestion."""

    options: dict[str, Any]
    because: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, option: str, value: Any, *, default: Any = None, because: str = "") -> None:
        """Set an option; one with its default value is left out. Only what changes is given its reason."""
        before = self.options.pop(option, default)
        if value != default:
            self.options[option] = value
            if because and value != before:
                self.because[option] = because

    def drop(self, *options: str) -> None:
        """Leave options out."""
        for option in options:
            self.options.pop(option, None)


def _first_file(plant: Plant, options: dict[str, Any]) -> tuple[Path, str | None] | None:
    """Return the first file with something in it, and the pattern that finds it if the given one finds none."""
    try:
        place = locate(Path(str(options["path"])), plant)
    except (KeyError, SourceError):
        return None
    if place.is_file():
        return place, None
    patterns = options.get("files", "**/*.csv")
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matching = _with_content(place.glob(str(pattern)), place)
        if matching:
            return matching[0], None
    others = [file for file in _with_content(place.rglob("*"), place) if not file.name.startswith((".", "_"))]
    if not others:
        return None
    ending = Counter(text_ending(file) for file in others).most_common(1)[0][0]
    return next(file for file in others if text_ending(file) == ending), f"{_PATTERN_OF_ALL}{ending}"


def _with_content(files: Iterable[Path], place: Path) -> list[Path]:
    full = [file for file in files if file.is_file() and file.stat().st_size]
    return sorted(full, key=lambda file: natural(file.relative_to(place).as_posix()))


def _named(table: Sniffed, options: dict[str, Any]) -> Sniffed:
    """Use the names that the plant gives to a file without header."""
    names = options.get("names")
    if table.has_header or not isinstance(names, list | tuple) or len(names) != len(table.names):
        return table
    return replace(table, names=tuple(map(str, names)))


def _write_format(plan: _Plan, table: Sniffed) -> None:
    """Write the options of the file's format."""
    shown = SEPARATORS.get(table.separator, "blanks" if table.separator == WHITESPACE else table.separator)
    plan.put("separator", table.separator, default=",", because=f"{shown}: {len(table.names)} fields a row")
    plan.put("encoding", table.encoding, default="utf-8", because="utf-8 cannot read it" * (table.encoding != "utf-8"))
    plan.put("decimal", table.decimal, default=".", because=_example(table, table.decimal))
    plan.put("thousands", table.thousands, because=_example(table, table.thousands or ""))
    plan.put("skip_lines", table.skip_lines, default=0, because="lines above the header")
    below = ", ".join(unit for unit in table.units if unit)
    plan.put("skip_after_header", table.skip_after_header, default=0, because=f"below the header stands: {below}"[:80])
    plan.put("header", table.has_header, default=True, because="the first line is a row already")
    if table.has_header:
        plan.drop("names")
    else:
        plan.put("names", list(table.names), because="made up: name the columns, in order")


def _example(table: Sniffed, mark: str) -> str:
    fields = (value.strip() for row in table.rows for value in row)
    return "such as " + next((number for number in fields if mark and mark in number and is_number(number)), "")


def _write_times(plan: _Plan, table: Sniffed, options: dict[str, Any]) -> TimeColumns | None:
    """Write the options of the time column and its format."""
    named = options.get("time_column")
    by_plant = as_time(table, named) if isinstance(named, str) and named in table.names else None
    times = by_plant or find_times(table)
    if times is None:
        plan.drop("time_column", "time_format", "time_zone")
        if "first" not in options and "first_in_name" not in options:
            plan.put("first", "2000-01-01", because="no column holds times: they are made up, at the type's step")
        return None
    plan.drop("first", "first_in_name")
    columns = times.columns[0] if len(times.columns) == 1 else list(times.columns)
    plan.put("time_column", columns, because=f"such as {times.example}")
    if options.get("time_format") not in times.formats:
        others = [form for form in times.formats[1:] if len(form) == len(times.formats[0])]
        reads = "reads all of the first times" + (f"; so does {others[0]}: which is meant?" if others else "")
        plan.put("time_format", times.formats[0] if times.formats else None, because=reads)
    if not times.is_aware and not options.get("time_zone"):
        plan.put("time_zone", "UTC", because="the file does not say: UTC, or the clock's, such as Europe/Berlin")
    return times


def _write_columns(
    plan: _Plan, table: Sniffed, sensors: dict[str, Sensor], times: TimeColumns | None, options: dict[str, Any]
) -> None:
    """Write the options of the layout and of the sensors' columns."""
    free = [name for name in table.names if times is None or name not in times.columns]
    numbers = [name for name in free if _holds_numbers(table, name)]
    words = [name for name in free if name not in numbers and table.column(name)]
    given_columns = {sensor: name for name, sensor in (options.get("columns") or {}).items()}
    by_plant = {sensor: name for sensor, name in given_columns.items() if sensor in sensors and name in free}
    left = [name for name in numbers if name not in by_plant.values()]
    units = [table.units[table.names.index(name)] if table.units else "" for name in left]
    unmatched = {sensor: about for sensor, about in sensors.items() if sensor not in by_plant}
    matches = {**by_plant, **match_sensors(left, units, unmatched)}
    plan.drop("layout", "sensor_column", "value_column", "tag_pattern", "columns")
    if len(matches) < len(sensors) and _write_other_layout(plan, table, sensors, times, numbers, words):
        return
    left = [name for name in numbers if name not in matches.values()]
    unmatched = {sensor: about for sensor, about in sensors.items() if sensor not in matches}
    if len(unmatched) == 1 and len(left) == 1:
        matches[next(iter(unmatched))] = left.pop()
        unmatched = {}
    if not table.has_header and "names" not in options and len(numbers) == len(sensors):
        _name_in_order(plan, table, sensors, times, numbers)
    else:
        _write_sensors(plan, matches)
        for sensor in unmatched:
            plan.notes.append(f"which column is sensor {sensor}? Left are: {', '.join(left[:20]) or 'none'}")
    _write_machines(plan, table, times, [*matches.values(), *numbers], options)
    _note_labels(plan, table, left, options)


def _holds_numbers(table: Sniffed, name: str) -> bool:
    fields = table.column(name)
    return bool(fields) and sum(map(is_number, fields)) > 0.5 * len(fields)


def _write_sensors(plan: _Plan, matches: dict[str, str]) -> None:
    renamed = {name: sensor for sensor, name in matches.items() if name != sensor}
    plan.put("columns", renamed, default={}, because="name in the file: sensor")


def _name_in_order(
    plan: _Plan, table: Sniffed, sensors: dict[str, Sensor], times: TimeColumns | None, numbers: list[str]
) -> None:
    """Give the columns of a file without header the sensors' names, in order."""
    new_names = dict(zip(numbers, sensors, strict=True))
    if times is not None:
        time_names = ["time"] if len(times.columns) == 1 else ["date", "time"]
        new_names |= dict(zip(times.columns, time_names, strict=True))
        plan.put(
            "time_column", time_names[0] if len(time_names) == 1 else time_names, because=f"such as {times.example}"
        )
    plan.put(
        "names", [new_names.get(name, name) for name in table.names], because="in the plant's order: is it this one?"
    )


def _write_other_layout(
    plan: _Plan,
    table: Sniffed,
    sensors: dict[str, Sensor],
    times: TimeColumns | None,
    numbers: list[str],
    words: list[str],
) -> bool:
    """Try one row a value, and a column for each machine and sensor; return whether one of them fits."""
    if len(numbers) == 1 and len(sensors) > 1 and _write_long(plan, table, sensors, times, numbers[0], words):
        return True
    tags = find_tags(numbers, sensors)
    if tags is not None:
        _write_tags(plan, tags, sensors, "the columns' names hold machine and sensor")
        plan.drop("asset_column")
        return True
    if len(sensors) > 1 or len(numbers) < 2 or set(numbers) & set(sensors):
        return False
    plan.put("tag_pattern", f"(?P<asset>{_any_of(numbers)})", because="a column a machine; leave out what is none")
    plan.drop("asset_column")
    return True


def _write_tags(plan: _Plan, tags: Tagging, sensors: dict[str, Sensor], because: str) -> None:
    shown = ", ".join(tags.machines[:3]) + (" …" if len(tags.machines) > 3 else "")
    plan.put("tag_pattern", tags.pattern, because=f"{because}: {shown}")
    _write_sensors(plan, tags.columns)
    for sensor in sensors:
        if sensor not in tags.columns:
            plan.notes.append(f"what do the tags call sensor {sensor}? There are: {', '.join(tags.parts[:20])}")


def _write_long(
    plan: _Plan, table: Sniffed, sensors: dict[str, Sensor], times: TimeColumns | None, value: str, words: list[str]
) -> bool:
    """Suggest one row a value if a column names the sensors, with or without the machine."""
    first = like(SENSOR_WORDS, words)
    for name in sorted(words, key=lambda word: word != first):
        kinds = list(dict.fromkeys(table.column(name)))
        columns = match_sensors(kinds, (), sensors)
        tags = find_tags(kinds, sensors, least_share=0.0) if len(columns) < len(sensors) else None
        if tags is None and len(columns) < len(sensors) and (name != first or len(kinds) > len(table.rows) / 2):
            continue
        plan.put("layout", "long", because="one row a value")
        plan.put("sensor_column", name, because=f"it holds {', '.join(kinds[:4])}{' …' if len(kinds) > 4 else ''}")
        plan.put("value_column", value, because="the only numbers")
        if tags is not None:
            _write_tags(plan, tags, sensors, "the tag names machine and sensor")
            plan.drop("asset_column")
            return True
        _write_sensors(plan, columns)
        for sensor in sensors:
            if sensor not in columns:
                plan.notes.append(
                    f"what is sensor {sensor} called in column '{name}'? There are: {', '.join(kinds[:20])}"
                )
        machines = find_machines(table, times, [name, value], sensor=name)
        plan.put("asset_column", machines, because="it names the machine")
        return True
    return False


def _any_of(names: list[str]) -> str:
    r"""Write names as a regular expression: numbered ones as one, such as machine_\d+."""
    numbered = Counter(re.sub(r"\d+$", "", name) for name in names if re.search(r"\d+$", name))
    parts = dict.fromkeys(
        re.escape(stem) + r"\d+" if numbered[stem := re.sub(r"\d+$", "", name)] > 1 else re.escape(name)
        for name in names
    )
    return "|".join(parts)


def _write_machines(
    plan: _Plan, table: Sniffed, times: TimeColumns | None, taken: list[str], options: dict[str, Any]
) -> None:
    """Write the option of the column that names the machine."""
    named = options.get("asset_column")
    if named is None or named not in table.names:
        column = find_machines(table, times, [name for name in taken if name != named])
        kinds = len(set(table.column(column))) if column else 0
        plan.put("asset_column", column, because=f"it names {kinds} machines")


def _note_labels(plan: _Plan, table: Sniffed, left: list[str], options: dict[str, Any]) -> None:
    if any(option.startswith("fault_") for option in options):
        return
    for name in left:
        values = {row[table.names.index(name)].strip() for row in table.rows}
        if _LABEL.search(name) and {value for value in values if not is_missing(value)} <= {"0", "1", "0.0", "1.0"}:
            plan.notes.append(f"column '{name}' holds 0 and 1: if it says where faults are, set fault_column: {name}")
