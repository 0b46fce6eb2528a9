"""A folder of CSV files, as loggers, historians and data sets write them."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from wheeltapper.config import Instant, Plant, format_duration
from wheeltapper.errors import SourceError
from wheeltapper.sources import Batch
from wheeltapper.sources._cells import constant, numbers_or_text, times_or_text
from wheeltapper.sources._csv import WHITESPACE, Chunk, Layout, chunks, header
from wheeltapper.sources._files import asset_name, locate, natural
from wheeltapper.sources._flagged import FlaggedRuns
from wheeltapper.sources._flags import FlagFile
from wheeltapper.sources._listed import ListedFaults, read_list
from wheeltapper.sources._span import Span, with_faults
from wheeltapper.sources._table import TableSource, missing
from wheeltapper.sources._times import read_times, require_readable
from wheeltapper.tables import FAULTS


class CsvFolder(TableSource):
    """Readings from delimited text files, one row an instant; files may be packed (.gz, .bz2, .zst, .lz4).

    Files are read in natural order (2 before 10) and in chunks, so memory does not grow with them. Nothing is
    dropped: a row that cannot be split, or whose time means nothing, comes out with its defect in words, and cleaning
    puts it into quarantine.
    """

    path: Path = Field(
        description="folder (or one file); a relative one is looked for beside the plant's file, in WHEELTAPPER_DATA, "
        "and in ../shared/data"
    )
    files: str | tuple[str, ...] = Field(
        "**/*.csv",
        description="which files below the folder, as a pattern; of several patterns the first one's files come first",
    )
    separator: str = Field(",", description=f'character between two fields, such as ";"; or {WHITESPACE}')
    decimal: str = Field(".", pattern=r"^[.,]$", description="decimal mark")
    encoding: str = Field("utf-8", description="how letters are stored, such as utf-8 or latin-1")
    time_column: str | None = Field(None, description="column of the timestamp; none for data without times")
    first: Instant | None = Field(
        None,
        description="for data without times: the first reading's instant; the next follow at the asset type's step",
    )
    header: bool = Field(True, description="whether the first line names the columns")
    names: tuple[str, ...] | None = Field(None, description="the columns' names, for files without a header")
    asset_column: str | None = Field(
        None, description="column that names the asset; by default each file is one asset, named by its path"
    )
    asset_pattern: str | None = Field(
        None,
        description="regular expression for a file's whole path without its ending; its group 'asset' is the asset's "
        "name, as in (?P<asset>.*)_(train|test). Files of one asset follow each other. With asset_column: file/column",
    )
    fault_file: Path | None = Field(
        None,
        description="list of faults below the folder: JSON (asset or file → [start, end] pairs), or CSV with asset, "
        "start, end and perhaps kind",
    )
    fault_from_row: int | None = Field(
        None, ge=0, description="row of each file, counted from 0, from which the asset is faulty until the file ends"
    )
    fault_last_rows: int | None = Field(
        None, ge=1, description="last rows of each asset in a file that count as faulty, for machines run to failure"
    )
    fault_flags: tuple[str, str] | None = Field(
        None,
        description="a piece of a file's path, and what stands there in the path of the file with its flags, one a "
        "row without header, as in [test/, test_label/]; files without that piece are normal",
    )
    fault_free: str | None = Field(
        None, description="pattern of files to which fault_from_row and fault_last_rows do not apply"
    )
    shuffled: bool = Field(
        False, description="whether rows do not follow each other in time: each file is then read whole and sorted"
    )

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

    @field_validator("asset_pattern")
    @classmethod
    def _names_the_asset(cls, pattern: str | None) -> str | None:
        try:
            groups = {"asset"} if pattern is None else set(re.compile(pattern).groupindex)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        if "asset" not in groups:
            raise ValueError(f"expected a group (?P<asset>...), got {pattern!r}")
        return pattern

    @model_validator(mode="after")
    def _knows_faults_one_way(self) -> Self:
        ways = ("fault_column", "fault_file", "fault_from_row", "fault_last_rows", "fault_flags")
        used = [way for way in ways if getattr(self, way) is not None]
        if len(used) > 1:
            raise ValueError(f"{' and '.join(used)} each say where the faults are; keep one")
        if self.shuffled and self.fault_flags is not None:
            raise ValueError("fault_flags follow the rows of a file, and shuffled rows are sorted; remove one of them")
        if self.fault_free is not None and used not in (["fault_from_row"], ["fault_last_rows"]):
            raise ValueError("fault_free needs fault_from_row or fault_last_rows, from which it excepts files")
        return self

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
        return self

    def caveats(self, plant: Plant) -> tuple[str, ...]:
        """Say which of these options make something up; see `Source.caveats`."""
        step = format_duration(plant.asset_type.step)
        said = []
        if self.first is not None:
            said.append(
                f"the files name no times: each reading counts as {step} after the one before it, and delays, weeks "
                "and costs mean no more than that step does"
            )
        if self.fault_last_rows is not None:
            said.append(
                f"fault '{self.fault_kind}' is a convention, the last {self.fault_last_rows} readings before an asset "
                "failed; nobody saw it begin, so an earlier alarm counts as false"
            )
        return tuple(said)

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
        sensors = self.sensor_columns(plant)
        headers = {file: header(file, self._layout, _shown(file, folder)) for file in files}
        self._check_columns(headers, folder, sensors)
        listed = self._listed(folder)
        found = self._batches(plant, folder, headers, sensors, Span(start, end), listed)
        count = 0
        for batch in found:
            count += 1
            yield batch
        if start is None and end is None:
            if count == 0:
                raise SourceError(f"the {len(files)} files {self.files} in {folder} hold no rows, only headers.")
            listed.require_match()

    @property
    def _layout(self) -> Layout:
        return Layout(self.separator, self.encoding, self.names)

    def _listed(self, folder: Path) -> ListedFaults:
        """Read the list of faults beside the files; without one it is empty."""
        if self.fault_file is None:
            return ListedFaults(FAULTS.empty(), "")
        path = folder / self.fault_file
        if not path.is_file():
            raise SourceError(f"no fault_file '{self.fault_file}' in {folder}. Change fault_file, or bring the file.")
        listed = read_list(path, kind=self.fault_kind, form=self.time_format, zone=self.time_zone)
        return ListedFaults(listed, path.name)

    def _flags_beside(self, file: Path, folder: Path) -> FlagFile | None:
        """Read the flags that stand in a file of their own; None for a file without."""
        shown = _shown(file, folder)
        if self.fault_flags is None or self.fault_flags[0] not in shown:
            return None
        return FlagFile(folder / shown.replace(*self.fault_flags, 1), self.encoding, self.decimal)

    def _find(self, plant: Plant) -> tuple[Path, list[Path]]:
        """Return the folder and its matching files: pattern by pattern, each in natural order."""
        place = locate(self.path, plant)
        if place.is_file():
            return place.parent, [place]
        found: dict[Path, None] = {}
        for pattern in [self.files] if isinstance(self.files, str) else self.files:
            files = [file for file in place.glob(pattern) if file.is_file()]
            if not files:
                there = {"".join(file.suffixes[-2:]) or file.name for file in place.rglob("*") if file.is_file()}
                raise SourceError(
                    f"no file in {place} matches files: '{pattern}' (it holds "
                    f"{', '.join(sorted(there)[:8]) or 'nothing'})."
                )
            found |= dict.fromkeys(sorted(files, key=lambda file: natural(file.relative_to(place).as_posix())))
        return place, list(found)

    def _check_columns(self, headers: dict[Path, list[str]], folder: Path, sensors: dict[str, str]) -> None:
        """Refuse files that lack a column or have it twice; only the fault column may be absent from some."""
        needed = [(column, f"sensor {sensor}", True) for sensor, column in sensors.items()]
        for option in ("time_column", "asset_column", "regime_column"):
            needed += [(column, option, False)] if (column := getattr(self, option)) else []
        for file, has in headers.items():
            for column, use, is_sensor in needed:
                if column not in has:
                    raise SourceError(missing(_shown(file, folder), column, use, has, is_sensor))
            for column, use, _ in needed:
                if has.count(column) > 1:
                    raise SourceError(f"{_shown(file, folder)} has column '{column}' for {use} twice; name them apart.")
        for option in ("fault_column", "fault_kind_column"):
            column = getattr(self, option)
            if column and not any(column in has for has in headers.values()):
                has = max(headers.values(), key=len)
                raise SourceError(missing(f"none of the {len(headers)} files", column, option, has, False))

    def _batches(
        self,
        plant: Plant,
        folder: Path,
        headers: dict[Path, list[str]],
        sensors: dict[str, str],
        span: Span,
        listed: ListedFaults,
    ) -> Iterator[Batch]:
        """Walk through the files chunk by chunk; the last batch waits for the faults that end with the readings."""
        runs = FlaggedRuns()
        clock = _Clock(self.first, plant) if self.first else None
        held: Batch | None = None
        for file, has in headers.items():
            shown = _shown(file, folder)
            wanted = [column for column in dict.fromkeys([*sensors.values(), *self._others()]) if column in has]
            from_file = self._asset_of(shown)
            at_once = sys.maxsize if self.shuffled or self.fault_last_rows else self.chunk_rows
            beside = self._flags_beside(file, folder)
            done = 0
            for chunk in chunks(file, self._layout, wanted, at_once, shown):
                if self.time_column and done == 0:
                    self._require_readable_times(chunk, shown)
                frame = self._frame(chunk, from_file, sensors, clock)
                kind = self.fault_kind_of(chunk.rows, shown, self.decimal)
                if self.shuffled:
                    frame = frame.sort_values("_utc", kind="stable")
                    kind = kind.loc[frame.index]
                kind = self._fault_rows(kind, frame["asset_id"], shown, done)
                if beside is not None:
                    kind = kind.mask(beside.of(done, len(frame)), self.fault_kind)
                done += len(frame)
                times = frame["_utc"]
                faults = span.overlapping(runs.add(frame["asset_id"], times, kind))
                rows = frame[span.holds(times)].drop(columns="_utc").reset_index(drop=True)
                more = listed.of(rows["asset_id"].dropna().unique(), "" if self.asset_column else shown)
                faults = pd.concat([faults, span.overlapping(more)], ignore_index=True) if len(more) else faults
                if held is not None and len(faults) and not len(rows):
                    held = with_faults(held, faults)
                if len(rows):
                    if held is not None:
                        yield held
                    held = Batch(origin=shown, rows=rows, faults=faults)
            if beside is not None:
                beside.require_end(done, shown)
            if self.asset_column is None and held is not None:
                held = with_faults(held, span.overlapping(runs.finish()))
        if held is not None:
            yield with_faults(held, span.overlapping(runs.finish()))

    def _others(self) -> list[str]:
        options = (self.time_column, self.asset_column, self.regime_column, self.fault_column, self.fault_kind_column)
        return [column for column in options if column is not None]

    def _frame(self, chunk: Chunk, from_file: str, sensors: dict[str, str], clock: _Clock | None) -> pd.DataFrame:
        """Turn a chunk into a batch's columns."""
        raw, defects = chunk.rows, chunk.defects
        columns: dict[str, Any] = {}
        assets = raw[self.asset_column].str.strip() if self.asset_column else None
        if assets is not None and self.asset_pattern is not None:
            assets = from_file + "/" + assets
        columns["asset_id"] = constant(from_file, len(raw)) if assets is None else assets
        if clock is not None:
            columns["timestamp"] = utc = clock.times(columns["asset_id"])
        else:
            text = raw[str(self.time_column)]
            utc, unclear = read_times(text, form=self.time_format, zone=self.time_zone)
            columns["timestamp"] = times_or_text(utc, text)
            defects = defects.where(defects != "", unclear)
        for sensor, column in sensors.items():
            columns[sensor], wrong = numbers_or_text(raw[column], self.decimal)
            if wrong is not None:
                why = f"{sensor}: '" + raw[column].astype("str") + f"' does not have the decimal mark '{self.decimal}'"
                defects = defects.where((defects != "") | ~wrong, why)
        if self.regime_column:
            columns["regime"] = raw[self.regime_column].str.strip().replace(self.regimes)
        columns["_utc"] = utc
        if (defects != "").any():
            columns["defect"] = defects
        return pd.DataFrame(columns)

    def _asset_of(self, shown: str) -> str:
        """Return the asset that a file's name tells of."""
        name = asset_name(shown)
        if self.asset_pattern is None:
            return name
        match = re.fullmatch(self.asset_pattern, name)
        if match is None or not match["asset"]:
            raise SourceError(
                f"{shown}: '{name}' does not fit asset_pattern {self.asset_pattern}, which names the asset. "
                "Change it, or leave the file out in files."
            )
        return match["asset"]

    def _require_readable_times(self, chunk: Chunk, shown: str) -> None:
        """Refuse a file whose first times are all unreadable; later ones are single rows' mistakes."""
        text = chunk.rows[str(self.time_column)][chunk.defects == ""].head(10_000)
        utc, unclear = read_times(text, form=self.time_format, zone=self.time_zone)
        is_fine = utc.notna() | unclear.str.contains("the clocks change", regex=False)
        require_readable(text, is_fine, form=self.time_format, zone=self.time_zone, file=shown)

    def _fault_rows(self, kind: pd.Series[str], asset_id: pd.Series[str], shown: str, done: int) -> pd.Series[str]:
        """Mark the rows that are faulty by their place in the file; ``done`` rows of it came before."""
        if self.fault_free is not None and fnmatchcase(shown, self.fault_free):
            return kind
        if self.fault_from_row is not None:
            return kind.mask(np.arange(done, done + len(kind)) >= self.fault_from_row, self.fault_kind)
        if self.fault_last_rows is not None:
            to_come = asset_id.groupby(asset_id, dropna=False).cumcount(ascending=False)
            return kind.mask(to_come < self.fault_last_rows, self.fault_kind)
        return kind


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


def _shown(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()
