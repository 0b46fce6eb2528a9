"""A folder of CSV files, as loggers, historians and data sets write them."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator, model_validator

from wheeltapper import _folder
from wheeltapper.config import Instant, Plant, Settings
from wheeltapper.errors import SourceError
from wheeltapper.sources import Batch, Source
from wheeltapper.sources._csv import WHITESPACE, Chunk, Layout, chunks, header
from wheeltapper.sources._flagged import FlaggedRuns
from wheeltapper.sources._times import read_times, require_readable

_YES = {"true", "t", "yes", "y", "on"}
_NO = {"false", "f", "no", "n", "off", "", "nan", "null", "na"}
_PACKED = {".gz", ".bz2", ".zst", ".lz4"}


class CsvFolder(Source):
    """Readings from delimited text files, one row an instant; files may be packed (.gz, .bz2, .zst, .lz4).

    Files are read in natural order (2 before 10) and in chunks, so memory does not grow with them. Nothing is
    dropped: a row that cannot be split, or whose time means nothing, comes out with its defect in words, and cleaning
    puts it into quarantine.
    """

    path: Path = Field(
        description="folder (or one file); a relative one is looked for beside the plant's file, in WHEELTAPPER_DATA, "
        "and in ../shared/data"
    )
    files: str = Field("**/*.csv", description="which files below the folder, as a pattern")
    separator: str = Field(",", description=f'character between two fields, such as ";"; or {WHITESPACE}')
    decimal: str = Field(".", pattern=r"^[.,]$", description="decimal mark")
    encoding: str = Field("utf-8", description="how letters are stored, such as utf-8 or latin-1")
    time_column: str | None = Field(None, description="column of the timestamp; none for data without times")
    time_zone: str | None = Field(None, description="zone of times that name none, such as Europe/Berlin")
    time_format: str | None = Field(
        None, description="how times are written: %d/%m/%Y %H:%M and the like, unix or unix_ms; by default ISO 8601"
    )
    first: Instant | None = Field(
        None,
        description="for data without times: the first reading's instant; the next follow at the asset type's step",
    )
    columns: dict[str, str] = Field(default_factory=dict, description="name in the file → sensor; by default the same")
    header: bool = Field(True, description="whether the first line names the columns")
    names: tuple[str, ...] | None = Field(None, description="the columns' names, for files without a header")
    asset_column: str | None = Field(
        None, description="column that names the asset; by default each file is one asset, named by its path"
    )
    regime_column: str | None = Field(None, description="column of the operating state; by default all is normal")
    regimes: dict[str, str] = Field(default_factory=dict, description="operating state in the file → regime")
    fault_column: str | None = Field(None, description="column that is not 0 (or is true, yes) inside a fault")
    fault_kind_column: str | None = Field(None, description="column that names the kind of fault")
    fault_kind: str = Field("labelled", description="kind of all faults where no column names it")
    shuffled: bool = Field(
        False, description="whether rows do not follow each other in time: each file is then read whole and sorted"
    )
    chunk_rows: int = Field(500_000, ge=1, description="most rows in memory at once")

    @field_validator("regimes", mode="before")
    @classmethod
    def _takes_off_for_a_word(cls, regimes: Any) -> Any:
        """Undo YAML's reading of off as false, and of on as true."""
        if not isinstance(regimes, dict):
            return regimes
        return {_word(came): _word(meant) for came, meant in regimes.items()}

    @field_validator("separator")
    @classmethod
    def _is_one_character(cls, separator: str) -> str:
        if separator != WHITESPACE and len(separator) != 1:
            raise ValueError(f"separator must be one character or {WHITESPACE}, got {separator!r}")
        return separator

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, encoding: str) -> str:
        try:
            return codecs.lookup(encoding).name
        except LookupError as error:
            raise ValueError(f"no such encoding: {encoding!r}; try utf-8, latin-1 or cp1252") from error

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, zone: str | None) -> str | None:
        try:
            return zone and ZoneInfo(zone).key
        except (ValueError, OSError, LookupError) as error:
            raise ValueError(f"no such time zone: {zone!r}; write it like UTC or Europe/Berlin") from error

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.time_column is None and self.first is None:
            raise ValueError("set time_column, or first (such as 2026-01-01) for data without times")
        if self.time_column is not None and self.first is not None:
            raise ValueError("first is only for data without times; remove it, or time_column")
        if self.header == (self.names is not None):
            raise ValueError("names lists the columns of files without a header: set both header: false and names")
        if self.decimal == self.separator:
            raise ValueError(f"decimal and separator cannot both be {self.decimal!r}")
        if self.fault_kind_column is not None and self.fault_column is None:
            raise ValueError("fault_kind_column needs fault_column, which says where the faults are")
        return self

    def read(self, plant: Plant, start: datetime | None = None, end: datetime | None = None) -> Iterator[Batch]:
        """Yield the files' rows from ``start`` (inclusive) to ``end`` (exclusive); see `Source.read`.

        A fault comes with the batch in which it ends, whole, if it overlaps the span; it ends with its last flagged
        reading. Rows whose time cannot be read are in every span.

        Raises
        ------
        SourceError
            If nothing matches, a file is empty or cannot be split, or a column is missing. All files' headers
            are looked at before the first row is read.
        """
        folder, files = self._find(plant)
        sensors = self._sensors(plant)
        headers = {file: header(file, self._layout, _shown(file, folder)) for file in files}
        self._check_columns(headers, folder, sensors)
        found = self._batches(plant, folder, headers, sensors, _Span(start, end))
        count = 0
        for batch in found:
            count += 1
            yield batch
        if count == 0 and start is None and end is None:
            raise SourceError(f"the {len(files)} files {self.files} in {folder} hold no rows, only headers.")

    @property
    def _layout(self) -> Layout:
        return Layout(self.separator, self.encoding, self.names)

    def _find(self, plant: Plant) -> tuple[Path, list[Path]]:
        """Return the folder and its matching files, in natural order."""
        place = self._locate(plant)
        if place.is_file():
            return place.parent, [place]
        files = [file for file in place.glob(self.files) if file.is_file()]
        if not files:
            there = sorted({"".join(file.suffixes[-2:]) or file.name for file in place.rglob("*") if file.is_file()})
            raise SourceError(
                f"no file in {place} matches files: '{self.files}' (it holds {', '.join(there[:8]) or 'nothing'})."
            )
        return place, sorted(files, key=lambda file: _natural(file.relative_to(place).as_posix()))

    def _locate(self, plant: Plant) -> Path:
        """Find the folder; the message of a failure lists the places looked at."""
        data = Settings().data
        shared = Path("..") / "shared" / "data"
        roots = [plant.folder, *([data] if data else []), Path.cwd() / shared, plant.folder.parent / shared]
        places = [(root / self.path).resolve() for root in roots]
        for place in places:
            if place.exists():
                return place
        looked = "; ".join(dict.fromkeys(map(str, places)))
        raise SourceError(f"no folder '{self.path}'. Looked for: {looked}. Set path, or WHEELTAPPER_DATA.")

    def _sensors(self, plant: Plant) -> dict[str, str]:
        """Return sensor → its column in the files."""
        known = list(plant.asset_type.sensors)
        names: dict[str, str] = {}
        for column, sensor in self.columns.items():
            if sensor not in known:
                raise SourceError(
                    f"columns: '{column}' names sensor '{sensor}', which {plant.name} does not have "
                    f"(it has: {', '.join(known)}).{_folder.near_miss(sensor, known)}"
                )
            if sensor in names:
                raise SourceError(f"columns: '{names[sensor]}' and '{column}' both name sensor '{sensor}'.")
            names[sensor] = column
        return {sensor: names.get(sensor, sensor) for sensor in known}

    def _check_columns(self, headers: dict[Path, list[str]], folder: Path, sensors: dict[str, str]) -> None:
        """Refuse files that lack a column or have it twice; only the fault column may be absent from some."""
        needed = [(column, f"sensor {sensor}", True) for sensor, column in sensors.items()]
        for option in ("time_column", "asset_column", "regime_column"):
            needed += [(column, option, False)] if (column := getattr(self, option)) else []
        for file, has in headers.items():
            for column, use, is_sensor in needed:
                if column not in has:
                    raise SourceError(_missing(_shown(file, folder), column, use, has, is_sensor))
            for column, use, _ in needed:
                if has.count(column) > 1:
                    raise SourceError(f"{_shown(file, folder)} has column '{column}' for {use} twice; name them apart.")
        for option in ("fault_column", "fault_kind_column"):
            column = getattr(self, option)
            if column and not any(column in has for has in headers.values()):
                has = max(headers.values(), key=len)
                raise SourceError(_missing(f"none of the {len(headers)} files", column, option, has, False))

    def _batches(
        self, plant: Plant, folder: Path, headers: dict[Path, list[str]], sensors: dict[str, str], span: _Span
    ) -> Iterator[Batch]:
        """Walk through the files chunk by chunk; the last batch waits for the faults that end with the readings."""
        runs = FlaggedRuns()
        clock = _Clock(self.first, plant) if self.first else None
        held: Batch | None = None
        for file, has in headers.items():
            shown = _shown(file, folder)
            wanted = [column for column in dict.fromkeys([*sensors.values(), *self._others()]) if column in has]
            at_once = sys.maxsize if self.shuffled else self.chunk_rows
            for place, chunk in enumerate(chunks(file, self._layout, wanted, at_once, shown)):
                if self.time_column and place == 0:
                    self._require_readable_times(chunk, shown)
                frame, kind = self._frame(chunk, shown, sensors, clock)
                if self.shuffled:
                    frame = frame.sort_values("_utc", kind="stable")
                    kind = kind.loc[frame.index]
                times = frame["_utc"]
                faults = span.overlapping(runs.add(frame["asset_id"], times, kind))
                rows = frame[span.holds(times)].drop(columns="_utc").reset_index(drop=True)
                if held is not None and len(faults) and not len(rows):
                    held = _with_faults(held, faults)
                if len(rows):
                    if held is not None:
                        yield held
                    held = Batch(origin=shown, rows=rows, faults=faults)
            if self.asset_column is None and held is not None:
                held = _with_faults(held, span.overlapping(runs.finish()))
        if held is not None:
            yield _with_faults(held, span.overlapping(runs.finish()))

    def _others(self) -> list[str]:
        options = (self.time_column, self.asset_column, self.regime_column, self.fault_column, self.fault_kind_column)
        return [column for column in options if column is not None]

    def _frame(
        self, chunk: Chunk, shown: str, sensors: dict[str, str], clock: _Clock | None
    ) -> tuple[pd.DataFrame, pd.Series[str]]:
        """Turn a chunk into a batch's columns, and say for each row inside which kind of fault it lies."""
        raw, defects = chunk.rows, chunk.defects
        columns: dict[str, Any] = {}
        assets = raw[self.asset_column].str.strip() if self.asset_column else None
        columns["asset_id"] = _constant(_asset_name(shown), len(raw)) if assets is None else assets
        if clock is not None:
            columns["timestamp"] = utc = clock.times(columns["asset_id"])
        else:
            text = raw[str(self.time_column)]
            utc, unclear = read_times(text, form=self.time_format, zone=self.time_zone)
            columns["timestamp"] = _times_or_text(utc, text)
            defects = defects.where(defects != "", unclear)
        for sensor, column in sensors.items():
            columns[sensor], wrong = _numbers_or_text(raw[column], self.decimal)
            if wrong is not None:
                why = f"{sensor}: '" + raw[column].astype("str") + f"' does not have the decimal mark '{self.decimal}'"
                defects = defects.where((defects != "") | ~wrong, why)
        if self.regime_column:
            columns["regime"] = raw[self.regime_column].str.strip().replace(self.regimes)
        columns["_utc"] = utc
        if (defects != "").any():
            columns["defect"] = defects
        return pd.DataFrame(columns), self._fault_kind(raw, shown)

    def _require_readable_times(self, chunk: Chunk, shown: str) -> None:
        """Refuse a file whose first times are all unreadable; later ones are single rows' mistakes."""
        text = chunk.rows[str(self.time_column)][chunk.defects == ""].head(10_000)
        utc, unclear = read_times(text, form=self.time_format, zone=self.time_zone)
        is_fine = utc.notna() | unclear.str.contains("the clocks change", regex=False)
        require_readable(text, is_fine, form=self.time_format, zone=self.time_zone, file=shown)

    def _fault_kind(self, raw: pd.DataFrame, shown: str) -> pd.Series[str]:
        """Return the kind of fault that each row lies in; empty outside faults."""
        nothing = _constant("", len(raw))
        if self.fault_column is None or self.fault_column not in raw:
            return nothing
        inside = _flags(raw[self.fault_column], self.fault_column, shown, self.decimal)
        kind = _constant(self.fault_kind, len(raw))
        if self.fault_kind_column in raw:
            kind = raw[self.fault_kind_column].str.strip().fillna(self.fault_kind).replace("", self.fault_kind)
        return kind.where(inside, nothing)


class _Span:
    """From ``start`` (inclusive) to ``end`` (exclusive); an open side is None."""

    def __init__(self, start: datetime | None, end: datetime | None) -> None:
        self._start, self._end = start, end

    def holds(self, times: pd.Series[Any]) -> pd.Series[bool]:
        """Say which rows belong to the span: those inside, and all without a time."""
        inside = pd.Series(True, index=times.index)
        if self._start is not None:
            inside &= ~(times < self._start)
        if self._end is not None:
            inside &= ~(times >= self._end)
        return inside

    def overlapping(self, faults: pd.DataFrame) -> pd.DataFrame:
        """Return the faults that touch the span, whole."""
        outside = pd.Series(False, index=faults.index)
        if self._start is not None:
            outside |= faults["end"] <= self._start
        if self._end is not None:
            outside |= faults["start"] >= self._end
        return faults[~outside].reset_index(drop=True)


class _Clock:
    """Makes times for data without any: each asset starts at ``first`` and goes on at the asset type's step."""

    def __init__(self, first: datetime, plant: Plant) -> None:
        self._first = pd.Timestamp(first).as_unit("us")
        self._step = plant.asset_type.step
        self._counts: dict[str, int] = {}

    def times(self, asset_id: pd.Series[str]) -> pd.Series[Any]:
        """Return the next time of each row's asset; NaT where the row names no asset."""
        names = asset_id.unique()
        before = asset_id.map({name: self._counts.get(name, 0) for name in names}).astype("float64")
        place = before + asset_id.groupby(asset_id, dropna=False).cumcount()
        for name, count in asset_id.value_counts().items():
            self._counts[str(name)] = self._counts.get(str(name), 0) + int(count)
        steps = (place.fillna(0) * (self._step.total_seconds() * 1e6)).round().astype("int64")
        times = self._first + pd.Series(steps.to_numpy().astype("timedelta64[us]"))
        times.index = asset_id.index
        return times.dt.tz_convert("UTC").astype("datetime64[us, UTC]").where(asset_id.notna())


def _with_faults(batch: Batch, faults: pd.DataFrame) -> Batch:
    """Return the batch with further faults."""
    if not len(faults):
        return batch
    together = pd.concat([batch.faults, faults], ignore_index=True) if len(batch.faults) else faults
    together = together.sort_values(["asset_id", "start", "end"], kind="stable")
    together = together.drop_duplicates(["asset_id", "start", "kind"], keep="last").reset_index(drop=True)
    return Batch(origin=batch.origin, rows=batch.rows, faults=together)


def _times_or_text(utc: pd.Series[Any], text: pd.Series[str]) -> pd.Series[Any]:
    """Return UTC if every time is clear; else text, in which clear times name UTC and others stay as they came."""
    unclear = utc.isna()
    if not unclear.any():
        return utc
    written: pd.Series[Any] = utc.dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00").astype("str").where(~unclear, text)
    return written


def _numbers_or_text(text: pd.Series[str], decimal: str) -> tuple[pd.Series[Any], pd.Series[bool] | None]:
    """Return float64 where every field is a number or empty, otherwise text; cleaning says what is wrong with it.

    The second value flags fields with the other decimal mark ('1.234' where '1,234' is expected): read as a number
    they would be wrong by a factor of a thousand.
    """
    fields = pa.array(text, type=pa.string(), from_pandas=True)
    wrong = None
    if decimal != ".":
        pointed = pc.fill_null(pc.match_substring(fields, "."), False)
        wrong = pd.Series(pointed.to_numpy(zero_copy_only=False), index=text.index) if pc.any(pointed).as_py() else None
        is_number = pc.fill_null(
            pc.match_substring_regex(fields, r"^\s*[+-]?[0-9]*,?[0-9]*([eE][+-]?[0-9]+)?\s*$"), False
        )
        fields = pc.if_else(is_number, pc.replace_substring(fields, ",", "."), fields)
    try:
        numbers = pc.cast(fields, pa.float64())
    except pa.ArrowInvalid:
        return pd.Series(fields.to_pandas(), index=text.index, dtype="str"), wrong
    return pd.Series(numbers.to_numpy(zero_copy_only=False), index=text.index, dtype="float64"), wrong


def _flags(text: pd.Series[str], column: str, shown: str, decimal: str) -> pd.Series[bool]:
    """Read a fault column: numbers other than 0 and words such as true or yes are inside a fault."""
    words = text.fillna("").str.strip().str.lower()
    unique = pd.Series(words.unique(), dtype="str")
    numbers = pd.to_numeric(unique.str.replace(decimal, ".", regex=False), errors="coerce")
    strange = unique[numbers.isna() & ~unique.isin(_YES | _NO)]
    if len(strange):
        raise SourceError(
            f"{shown}: fault column '{column}' holds '{strange.iloc[0]}'; expected a number (0 is no fault) or "
            "true/false, yes/no. A column of kinds belongs in fault_kind_column."
        )
    yes = unique[unique.isin(_YES) | (numbers.notna() & (numbers != 0))]
    return words.isin(set(yes))


def _word(value: Any) -> Any:
    return {False: "off", True: "on"}[value] if isinstance(value, bool) else value


def _constant(value: str, length: int) -> pd.Series[str]:
    return pd.Series(np.full(length, value, dtype=object), dtype="str")


def _shown(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


def _asset_name(shown: str) -> str:
    """Return a file's path without its ending: ``valve1/0`` for ``valve1/0.csv.gz``."""
    path = Path(shown)
    path = path.with_suffix("") if path.suffix.lower() in _PACKED else path
    return path.with_suffix("").as_posix()


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Return a sort key in which 2 stands before 10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def _missing(file: str, column: str, use: str, has: list[str], is_sensor: bool) -> str:
    verb = "have" if file.startswith("none") else "has no"
    advice = "Add it to the source, or remove it from the plant's sensors." if is_sensor else f"Change {use}."
    return (
        f"{file} {verb} column '{column}' for {use} (it has: {', '.join(has)})."
        f"{_folder.near_miss(column, has)} {advice}"
    )
