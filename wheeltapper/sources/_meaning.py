"""Guesses the meaning of the columns of an unknown table: its times, its machines, its sensors."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import pandas as pd

from wheeltapper.config import Sensor
from wheeltapper.sources._sniff import Sniffed, is_number
from wheeltapper.sources._times import EPOCHS, likely_formats

_TIME_WORDS = ("time", "date", "ts", "zeit", "datum", "stamp", "epoch", "unix", "utc", "uhr", "hora", "heure", "when")
_ASSET_WORDS = (
    "machine",
    "asset",
    "device",
    "unit",
    "pump",
    "engine",
    "turbine",
    "meter",
    "station",
    "equipment",
    "maschine",
    "anlage",
    "geraet",
    "pumpe",
    "id",
    "serial",
    "host",
    "name",
)
_UNIT = re.compile(r"[\[(]([^\])]*)[\])]")
_ISO = re.compile(r"^\d{4}-\d{2}(?:-\d{2})?")
_CLOCK_ONLY = re.compile(r"^\d{1,2}:\d{2}(:\d{2})?([.,]\d+)?( ?[AaPp][Mm])?$")
_AWARE = re.compile(r"[T ]\d{2}[\d:.,]* ?(?:[Zz]|[+-]\d{2}(?::?\d{2})?)$")
_CUTS = (".", "/", ":", "_", "-", " ", "|")


@dataclass(frozen=True)
class TimeColumns:
    """Where the time stands, and how it is written."""

    columns: tuple[str, ...]
    formats: tuple[str, ...]
    """The likeliest first; empty for ISO 8601."""
    is_aware: bool
    """True if each time has its zone, as an offset or as a count since 1970."""
    example: str


def find_times(table: Sniffed) -> TimeColumns | None:
    """Find the time: a column whose every field is one, or a date and a time of day beside it."""
    candidates = [times for name in table.names if (times := as_time(table, name)) is not None]
    by_name = [times for times in candidates if _is_like(times.columns[0], _TIME_WORDS)]
    # A count since 1970 looks like any other number; only the column's name shows it.
    certain = [times for times in candidates if times in by_name or not set(times.formats) & set(EPOCHS)]
    return min(
        certain,
        key=lambda times: (times not in by_name, not times.is_aware, table.names.index(times.columns[0])),
        default=None,
    )


def as_time(table: Sniffed, name: str) -> TimeColumns | None:
    """Read a column as times, and the time of day from the column beside it if it holds only days."""
    given = table.column(name)
    if not given or not any(character.isdigit() for character in given[0]):
        return None
    clock = _clock_beside(table, name)
    together = (
        given if clock is None else [f"{day} {hour}" for day, hour in zip(given, table.column(clock), strict=True)]
    )
    columns = (name,) if clock is None else (name, clock)
    sample = pd.Series(together[:2000], dtype="str")
    is_iso = (
        sample.str.match(_ISO).all()
        and pd.to_datetime(sample, format="ISO8601", errors="coerce", utc=True).notna().all()
    )
    if is_iso:
        return TimeColumns(columns, (), bool(sample.str.contains(_AWARE, regex=True).all()), together[0])
    formats = tuple(likely_formats(sample))
    if not formats:
        return None
    return TimeColumns(columns, formats, formats[0] in EPOCHS, together[0])


def _clock_beside(table: Sniffed, name: str) -> str | None:
    """Return the column after this one if it holds times of day, and this one only days."""
    at = table.names.index(name) + 1
    if at == len(table.names):
        return None
    days, hours = table.column(name), table.column(table.names[at])
    is_clock = bool(hours) and all(map(_CLOCK_ONLY.match, hours)) and len(days) == len(hours)
    return table.names[at] if is_clock and not any(":" in day for day in days) else None


def match_sensors(names: Sequence[str], units: Sequence[str], sensors: dict[str, Sensor]) -> dict[str, str]:
    """Find each sensor's column: by its name, its unit in brackets or below, or a name that is nearly the same.

    Parameters
    ----------
    names : sequence of str
        Columns that may be sensors.
    units : sequence of str
        Unit of each column where the file has it apart from the column's name; may be empty.
    sensors : dict
        The plant's sensors.

    Returns
    -------
    dict
        Sensor → column, for those with a match; no column twice.
    """
    plain = {name: _plain(name) for name in names}
    units_of = {
        name: {unit.strip() for unit in [*_UNIT.findall(name), *units[at : at + 1]]} for at, name in enumerate(names)
    }
    ways = (
        lambda sensor, left: [name for name in left if name == sensor],
        lambda sensor, left: [name for name in left if plain[name] == _plain(sensor)],
        lambda sensor, left: _of_unit(sensors[sensor].unit, {name: units_of[name] for name in left}),
        lambda sensor, left: [name for name in left if _is_part(plain[name], _plain(sensor))],
        lambda sensor, left: _nearly(_plain(sensor), {plain[name]: name for name in left}),
    )
    matches: dict[str, str] = {}
    for way in ways:
        choices = {sensor: way(sensor, [name for name in names if name not in matches.values()]) for sensor in sensors}
        first_choices = [name for sensor, columns in choices.items() if sensor not in matches for name in columns[:1]]
        for sensor, columns in choices.items():
            if sensor not in matches and len(columns) == 1 and first_choices.count(columns[0]) == 1:
                matches[sensor] = columns[0]
    return matches


def _plain(name: str) -> str:
    """Return a name without its unit, accents, capitals and marks."""
    bare = unicodedata.normalize("NFKD", _UNIT.sub("", name).casefold())
    return "".join(letter for letter in bare if letter.isalnum())


def _of_unit(unit: str, units_of: dict[str, set[str]]) -> list[str]:
    same = {"m3/h": "m³/h", "degc": "°c", "deg c": "°c", "c": "°c"}
    sensor_unit = same.get(unit.casefold(), unit.casefold())
    return [
        name
        for name, units in units_of.items()
        if sensor_unit in {same.get(unit_of_column.casefold(), unit_of_column.casefold()) for unit_of_column in units}
    ]


def _is_part(name: str, other: str) -> bool:
    short, long = sorted((name, other), key=len)
    return len(short) >= 3 and short in long


def _nearly(sensor: str, names: dict[str, str]) -> list[str]:
    return [names[match] for match in get_close_matches(sensor, list(names), n=2, cutoff=0.75)]


@dataclass(frozen=True)
class Tagging:
    """How tags that name machine and sensor at once are taken apart."""

    pattern: str
    columns: dict[str, str]
    """Sensor → its name in the tags."""
    parts: tuple[str, ...]
    """All names of sensors in the tags."""
    machines: tuple[str, ...]


def find_tags(names: Iterable[str], sensors: dict[str, Sensor], *, least_share: float = 0.5) -> Tagging | None:
    """Take tags apart where every machine has every part, and enough parts are sensors of the plant.

    Parameters
    ----------
    names : iterable of str
    sensors : dict
        The plant's sensors.
    known : float
        Least share of the sensors that must be found, 0 to 1.
    """
    tags = list(dict.fromkeys(names))
    candidates = [tagging for pattern in _patterns() if (tagging := _taken_apart(pattern, tags, sensors)) is not None]
    enough = [tagging for tagging in candidates if len(tagging.columns) >= least_share * len(sensors)]
    return max(enough, key=lambda tagging: len(tagging.columns), default=None)


def _patterns() -> Iterator[str]:
    """Yield ways to take a tag apart: at its last mark, at its first, and with the sensor in front."""
    for cut in _CUTS:
        mark = f"[{cut}]"
        yield rf"(?P<asset>.+){mark}(?P<sensor>[^{cut}]+)"
        yield rf"(?P<asset>[^{cut}]+){mark}(?P<sensor>.+)"
        yield rf"(?P<sensor>[^{cut}]+){mark}(?P<asset>.+)"


def _taken_apart(pattern: str, names: list[str], sensors: dict[str, Sensor]) -> Tagging | None:
    matches = [match for name in names if (match := re.fullmatch(pattern, name))]
    parts = list(dict.fromkeys(match["sensor"] for match in matches))
    machines = list(dict.fromkeys(match["asset"] for match in matches))
    is_whole = len(matches) > 1 and len(parts) * len(machines) == len(matches) and len(parts) > 1 and len(sensors) > 1
    return Tagging(pattern, match_sensors(parts, (), sensors), tuple(parts), tuple(machines)) if is_whole else None


def find_machines(
    table: Sniffed, times: TimeColumns | None, taken: Iterable[str], *, sensor: str | None = None
) -> str | None:
    """Find the column that names the machine: with it no instant comes twice, without it they do.

    Parameters
    ----------
    table : Sniffed
    times : TimeColumns or None
    taken : iterable of str
        Columns that mean something else.
    sensor : str, optional
        Column that names the sensor: an instant comes once for each of them.
    """
    others = [name for name in table.names if name not in {*taken, *(times.columns if times else ())}]
    for name in sorted(others, key=lambda name: not _is_like(name, _ASSET_WORDS)):
        fields = table.column(name)
        kinds = len(set(fields))
        is_name = len(fields) == len(table.rows) and 1 <= kinds <= len(fields) / 2
        if not is_name or (all(map(is_number, fields)) and not _is_like(name, _ASSET_WORDS)):
            continue
        instant = () if times is None else (*times.columns, *([sensor] if sensor else []))
        if instant and _repeats(table, instant) > 0.05 * len(table.rows) and kinds > 1:
            if _repeats(table, (*instant, name)) < 0.02 * len(table.rows):
                return name
        elif times is None and kinds > 1 and _is_like(name, _ASSET_WORDS):
            return name
    return None


def _repeats(table: Sniffed, columns: Sequence[str]) -> int:
    places = [table.names.index(name) for name in columns]
    keys = [tuple(row[at] for at in places) for row in table.rows]
    return len(keys) - len(set(keys))


def _is_like(name: str, words: tuple[str, ...]) -> bool:
    parts = re.split(r"[^a-z]+", unicodedata.normalize("NFKD", name.casefold()))
    return any(part == word or (len(word) > 3 and word in part) for part in parts for word in words)
