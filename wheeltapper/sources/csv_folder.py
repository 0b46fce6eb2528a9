"""A folder of CSV files, as loggers, historians and data sets write them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wheeltapper.config import Plant
from wheeltapper.errors import SourceError
from wheeltapper.sources import Batch, Cursor, Example, News, Suggestion
from wheeltapper.sources._cells import constant, numbers_or_text, times_or_text
from wheeltapper.sources._clock import Clock
from wheeltapper.sources._csv import Chunk, Layout, chunks, header
from wheeltapper.sources._csv_options import CsvOptions
from wheeltapper.sources._files import asset_name, is_packed, locate, natural
from wheeltapper.sources._flagged import FlaggedRuns
from wheeltapper.sources._flags import FlagFile
from wheeltapper.sources._listed import ListedFaults, read_list
from wheeltapper.sources._long import NAME, VALUE
from wheeltapper.sources._seen import Stamp, Tail, look
from wheeltapper.sources._span import Span, with_faults
from wheeltapper.sources._spread import spread
from wheeltapper.sources._suggest import suggest_csv
from wheeltapper.sources._table import missing
from wheeltapper.sources._times import read_times, require_readable
from wheeltapper.tables import FAULTS
from wheeltapper.unchanged import Files


class CsvFolder(CsvOptions):
    """Readings from delimited text files; files may be packed (.gz, .bz2, .zst, .lz4).

    One row is an instant, with a column for each sensor (``layout: wide``) or for each machine and sensor (with
    ``tag_pattern``); or one row is a value, with the sensor's name beside it (``layout: long``). Where the options do
    not fit a file, ``wheeltapper check PLANT`` looks at it and says which would.

    Files are read in natural order (2 before 10) and in chunks, so memory does not grow with them. Nothing is
    dropped: a row that cannot be split, or whose time means nothing, comes out with its defect in words, and cleaning
    puts it into quarantine.
    """

    @classmethod
    def suggest(cls, plant: Plant, options: dict[str, Any]) -> Suggestion | None:
        """Look at the first file, and say how it is written and what its columns mean; see `Source.suggest`."""
        options_here = {name: value for name, value in options.items() if name in cls.model_fields}
        suggestion = suggest_csv(plant, options_here)
        if suggestion is None:
            return None
        order = [name for name in (*CsvOptions.__annotations__, *cls.model_fields) if name != "columns"]
        return replace(
            suggestion,
            options={name: suggestion.options[name] for name in (*order, "columns") if name in suggestion.options},
        )

    @classmethod
    def example(cls) -> Example:
        """Return tiny data for contract tests; see `Source.example`."""
        from wheeltapper.sources._examples import CSV_FOLDER

        return CSV_FOLDER

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
        headers = {file: header(file, self._layout, _shown(file, folder)) for file in files}
        self._check_columns(headers, folder, plant)
        listed = self._listed(folder)
        batches = self._batches(plant, folder, headers, Span(start, end), listed)
        count = 0
        for batch in batches:
            count += 1
            yield batch
        if start is None and end is None:
            if count == 0:
                raise SourceError(f"the {len(files)} files {self.files} in {folder} hold no rows, only headers.")
            listed.require_match()

    def read_new(self, plant: Plant, cursor: Cursor | None, since: datetime | None) -> News:  # noqa: ARG002
        """Return the rows of files that are new or changed; of one that only grew its new lines, see `Source.read_new`.

        Faults and made-up times may reach from one file into the next: then all files are read if one has changed.
        """
        folder, files = self._find(plant)
        seen = look({_shown(file, folder): _stamp(file) for file in files}, cursor)
        if cursor is None or (seen.changed and not self._reads_files_apart):
            return News(self.read(plant), seen.cursor)
        if not seen.changed:
            return News(iter(()), seen.cursor, is_empty=True)
        changed = [file for file in files if _shown(file, folder) in seen.changed]
        plain = {name: tail for name, tail in seen.tails.items() if not is_packed(name)}
        tails = plain if self._reads_lines_apart else {}
        return News(self._read_files(plant, folder, changed, tails), seen.cursor)

    def files_of(self, plant: Plant) -> Files | None:
        """Return the files to watch, unless faults or times come from elsewhere; see `Source.files_of`."""
        if not self._reads_files_apart:
            return None
        place = locate(self.path, plant)
        if place.is_file():
            return Files(str(self.path), str(place.parent), (escape(place.name),))
        patterns = (self.files,) if isinstance(self.files, str) else self.files
        return Files(str(self.path), str(place), patterns)

    def _read_files(self, plant: Plant, folder: Path, files: list[Path], tails: dict[str, Tail]) -> Iterator[Batch]:
        headers = {file: header(file, self._layout, _shown(file, folder)) for file in files}
        self._check_columns(headers, folder, plant)
        yield from self._batches(plant, folder, headers, Span(None, None), self._listed(folder), tails)

    @property
    def _reads_files_apart(self) -> bool:
        """Tell whether the rows of a file mean the same when it is read alone."""
        faults = (self.fault_column, self.fault_kind_column, self.fault_file, self.fault_flags)
        by_row = (self.fault_from_row, self.fault_last_rows, self.first)
        return all(option is None for option in (*faults, *by_row))

    @property
    def _reads_lines_apart(self) -> bool:
        """Tell whether the lines of a file mean the same when those before them are not read."""
        one_byte = ("utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252")
        return self.layout == "wide" and self.first_in_name is None and self.encoding in one_byte

    @property
    def _layout(self) -> Layout:
        return Layout(self.separator, self.encoding, self.names, self.skip_lines, self.skip_after_header)

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
        matches: dict[Path, None] = {}
        for pattern in [self.files] if isinstance(self.files, str) else self.files:
            files = [file for file in place.glob(pattern) if file.is_file()]
            if not files:
                endings = {"".join(file.suffixes[-2:]) or file.name for file in place.rglob("*") if file.is_file()}
                raise SourceError(
                    f"no file in {place} matches files: '{pattern}' (it holds "
                    f"{', '.join(sorted(endings)[:8]) or 'nothing'})."
                )
            matches |= dict.fromkeys(sorted(files, key=lambda file: natural(file.relative_to(place).as_posix())))
        return place, list(matches)

    def _check_columns(self, headers: dict[Path, list[str]], folder: Path, plant: Plant) -> None:
        """Refuse files that lack a column or have it twice; only the fault column may be absent from some."""
        for file, has in headers.items():
            shown = _shown(file, folder)
            for column, use in self._needed(plant, has, shown).items():
                if column not in has:
                    message = missing(shown, column, use, has, use.startswith("sensor "))
                    raise SourceError(message + self.other_layout(plant, has))
                if has.count(column) > 1:
                    raise SourceError(f"{shown} has column '{column}' for {use} twice; name them apart.")
        for option in ("fault_column", "fault_kind_column"):
            column = getattr(self, option)
            if column and not any(column in has for has in headers.values()):
                has = max(headers.values(), key=len)
                message = missing(f"none of the {len(headers)} files", column, option, has, False)
                raise SourceError(f"{message} Without labels, remove it: what is found can then not be judged by them.")

    def _needed(self, plant: Plant, has: list[str], shown: str) -> dict[str, str]:
        """Return each column that every file must have, with what it is for."""
        uses = dict.fromkeys(self._time_columns, "time_column")
        options = ("asset_column", "sensor_column", "value_column", "regime_column")
        uses |= {column: option for option in options if (column := getattr(self, option)) is not None}
        if self.layout == "long":
            return uses
        if self.tag_pattern is not None:
            names = [name for name in has if name not in self._others()]
            self.require_tags(plant, names, shown)
            return uses | {name: f"sensor {tag[1]} of {tag[0]}" for name, tag in self.tags(plant, names).items()}
        return uses | {column: f"sensor {sensor}" for sensor, column in self.sensor_columns(plant).items()}

    def _batches(
        self,
        plant: Plant,
        folder: Path,
        headers: dict[Path, list[str]],
        span: Span,
        listed: ListedFaults,
        tails: dict[str, Tail] | None = None,
    ) -> Iterator[Batch]:
        """Walk through the files chunk by chunk; the last batch waits for the faults that end with the readings.

        ``tails`` are given if only what is new is read: the new lines of these files, and perhaps not every sensor.
        """
        runs = FlaggedRuns()
        held: Batch | None = None
        for shown, frame in self._frames(plant, folder, headers, tails):
            if frame is None:
                held = held and with_faults(held, span.overlapping(runs.finish()))
                continue
            times = frame["_utc"]
            faults = span.overlapping(runs.add(frame["asset_id"], times, frame["_kind"].fillna("")))
            rows = frame[span.holds(times)].drop(columns=["_utc", "_kind"]).reset_index(drop=True)
            if not (rows["defect"] != "").any():
                rows = rows.drop(columns="defect")
            more = listed.of(rows["asset_id"].dropna().unique(), "" if self._names_assets else shown)
            faults = pd.concat([faults, span.overlapping(more)], ignore_index=True) if len(more) else faults
            if held is not None and len(faults) and not len(rows):
                held = with_faults(held, faults)
            if len(rows):
                if held is not None:
                    yield held
                held = Batch(origin=shown, rows=rows, faults=faults)
        if held is not None:
            yield with_faults(held, span.overlapping(runs.finish()))

    def _frames(
        self, plant: Plant, folder: Path, headers: dict[Path, list[str]], tails: dict[str, Tail] | None
    ) -> Iterator[tuple[str, pd.DataFrame | None]]:
        """Yield each file's readings in pieces, with ``_utc`` and ``_kind``: the fault inside which a row lies.

        None says that a file ends here, and with it the faults of its asset.
        """
        clock = Clock(self.first, plant) if self.first else None
        named: set[str] = set()
        for file, has in headers.items():
            shown = _shown(file, folder)
            tags = self.tags(plant, (name for name in has if name not in self._others())) if self._is_spread else {}
            beside = self._flags_beside(file, folder)
            long = self.long_rows(plant, shown)
            done, tail = 0, (tails or {}).get(shown)
            if self.first_in_name is not None:
                clock = Clock(self._begins(file.name, shown), plant)
            columns = self._columns(plant, has, tags)
            for chunk in chunks(file, self._layout, columns, self._at_once(tags), shown, tail):
                if self.time_column and done == 0 and tail is None:
                    self._require_readable_times(chunk, shown)
                frame = self._frame(chunk, plant, self._asset_of(shown), clock, tags)
                kind = self.fault_kind_of(chunk.rows, shown, self.decimal)
                if self.shuffled:
                    frame = frame.sort_values("_utc", kind="stable")
                    kind = kind.loc[frame.index]
                kind = self._fault_rows(kind, frame["asset_id"], shown, done)
                if beside is not None:
                    kind = kind.mask(beside.of(done, len(frame)), self.fault_kind)
                done += len(frame)
                frame["_kind"] = kind.where(kind != "")
                if long is not None:
                    named |= set(chunk.rows[str(self.sensor_column)].dropna().str.strip().unique())
                    frame = long.add(self._named(frame, chunk.rows, plant, self._asset_of(shown)))
                yield shown, self._apart(frame, tags, plant, shown)
            last = long.finish() if long is not None else None
            if last is not None:
                yield shown, last
            if beside is not None:
                beside.require_end(done, shown)
            if not self._names_assets:
                yield shown, None
        if self.layout == "long" and tails is None:
            self._require_named(plant, named, folder)

    @property
    def _time_columns(self) -> tuple[str, ...]:
        return (self.time_column,) if isinstance(self.time_column, str) else self.time_column or ()

    @property
    def _is_spread(self) -> bool:
        """Tell whether the machines stand side by side, each with columns of its own."""
        return self.layout == "wide" and self.tag_pattern is not None

    @property
    def _names_assets(self) -> bool:
        """Tell whether one file may hold several assets."""
        return self.asset_column is not None or self.tag_pattern is not None

    def _require_named(self, plant: Plant, named: set[str], folder: Path) -> None:
        """Refuse long rows in which a sensor never occurs, unless they hold nothing at all."""
        if self.tag_pattern is not None and named:
            self.require_tags(plant, sorted(named), folder.name)
        elif named:
            self.require_sensors(plant, named, folder.name)

    def _at_once(self, tags: dict[str, tuple[str, str]]) -> int:
        """Return how many rows to read at once; one with many machines becomes as many."""
        if self.shuffled or self.fault_last_rows:
            return sys.maxsize
        return max(1, self.chunk_rows // max(1, len({asset for asset, _ in tags.values()})))

    def _columns(self, plant: Plant, has: list[str], tags: dict[str, tuple[str, str]]) -> list[str]:
        """Return the columns to read."""
        values = list(tags) or ([] if self.layout == "long" else list(self.sensor_columns(plant).values()))
        return [column for column in dict.fromkeys([*values, *self._others()]) if column in has]

    def _others(self) -> list[str]:
        """Return the columns that are no sensor's."""
        options = ("asset_column", "sensor_column", "value_column", "regime_column", "fault_column")
        columns = [getattr(self, option) for option in (*options, "fault_kind_column")]
        return [*self._time_columns, *(column for column in columns if column is not None)]

    def _frame(
        self, chunk: Chunk, plant: Plant, from_file: str, clock: Clock | None, tags: dict[str, tuple[str, str]]
    ) -> pd.DataFrame:
        """Turn a chunk into a batch's columns, row by row; where machines stand side by side, each tag is one."""
        raw, defects = chunk.rows, chunk.defects
        columns: dict[str, Any] = {}
        assets = raw[self.asset_column].str.strip() if self.asset_column else None
        if assets is not None:
            assets = self._prefix(from_file) + assets
        columns["asset_id"] = constant(from_file, len(raw)) if assets is None else assets
        if clock is not None:
            columns["timestamp"] = utc = clock.times(columns["asset_id"])
        else:
            text = self._time_text(raw)
            utc, unclear = read_times(text, form=self.time_format, zone=self.time_zone)
            columns["timestamp"] = times_or_text(utc, text)
            defects = defects.where(defects != "", unclear)
        for name, column in self._values(plant, tags).items():
            columns[name], wrong = numbers_or_text(raw[column], self.decimal, self.thousands)
            if wrong is not None:
                defects = defects.where((defects != "") | ~wrong, self._wrong_mark(name, raw[column]))
        if self.regime_column:
            columns["regime"] = raw[self.regime_column].str.strip().replace(self.regimes)
        return pd.DataFrame({**columns, "_utc": utc, "defect": defects})

    def _values(self, plant: Plant, tags: dict[str, tuple[str, str]]) -> dict[str, str]:
        """Return the batch's column of each value → its column in the file."""
        if self.layout == "long":
            return {VALUE: str(self.value_column)}
        return {name: name for name in tags} if tags else self.sensor_columns(plant)

    def _wrong_mark(self, name: str, text: pd.Series[str]) -> pd.Series[str]:
        groups = f" and '{self.thousands}' between groups of three digits" if self.thousands else ""
        shown = "value" if name == VALUE else name
        return f"{shown}: '" + text.astype("str") + f"' does not have the decimal mark '{self.decimal}'{groups}"

    def _time_text(self, raw: pd.DataFrame) -> pd.Series[str]:
        """Return the time as one text; missing where a part is."""
        first, *others = self._time_columns
        text = raw[first].str.strip()
        for other in others:
            text = text + " " + raw[other].str.strip()
        return text

    def _begins(self, name: str, shown: str) -> datetime:
        """Return the instant that a file's name tells of."""
        times, unclear = read_times(pd.Series([name], dtype="str"), form=self.first_in_name, zone=self.time_zone)
        if times.isna().item():
            why = unclear.item() or f"its name is not written like first_in_name '{self.first_in_name}'"
            raise SourceError(f"{shown}: {why}. Change first_in_name, or leave the file out in files.")
        begins: datetime = times.item().to_pydatetime()
        return begins

    def _apart(self, frame: pd.DataFrame, tags: dict[str, tuple[str, str]], plant: Plant, shown: str) -> pd.DataFrame:
        """Give each machine a row of its own where they stand side by side."""
        if not tags:
            return frame
        sensors = list(plant.asset_type.delivered)
        return spread(frame.reset_index(drop=True), tags, sensors, self._prefix(self._asset_of(shown)))

    def _prefix(self, from_file: str) -> str:
        return f"{from_file}/" if self.asset_pattern is not None else ""

    def _named(self, frame: pd.DataFrame, raw: pd.DataFrame, plant: Plant, from_file: str) -> pd.DataFrame:
        """Add to long rows which sensor they are of; leave out what the plant does not ask for."""
        names = raw[str(self.sensor_column)].str.strip().loc[frame.index]
        if self.tag_pattern is None:
            meant = {name: sensor for sensor, name in self.sensor_columns(plant).items()}
        else:
            tags = self.tags(plant, names.dropna().unique())
            meant = {name: sensor for name, (_, sensor) in tags.items()}
            prefix = self._prefix(from_file)
            frame["asset_id"] = names.map({name: prefix + asset for name, (asset, _) in tags.items()})
        frame[NAME] = names.map(meant)
        nameless = names.isna() | (names == "")
        frame["defect"] = frame["defect"].mask(nameless & (frame["defect"] == ""), "the row names no sensor")
        return frame[frame[NAME].notna() | nameless].reset_index(drop=True)

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
        text = self._time_text(chunk.rows)[chunk.defects == ""].head(10_000)
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


def _shown(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix()


def _stamp(file: Path) -> Stamp:
    about = file.stat()
    return Stamp(about.st_size, about.st_mtime_ns, file)
