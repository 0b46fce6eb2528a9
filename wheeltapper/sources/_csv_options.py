"""The options of CSV files: how they are written, what their columns mean, and where faults are known from."""

from __future__ import annotations

import codecs
import re
from abc import ABC
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from wheeltapper.config import Instant, Plant, format_duration
from wheeltapper.sources._cells import THOUSANDS
from wheeltapper.sources._csv import WHITESPACE
from wheeltapper.sources._layout import TaggedSource


class CsvOptions(TaggedSource, ABC):
    """Options of a plant's YAML for its CSV files, in the order in which a person needs them."""

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
    thousands: str | None = Field(
        None, description="what stands between groups of three digits: a comma, a point, a blank or '; none by default"
    )
    encoding: str = Field("utf-8", description="how letters are stored, such as utf-8 or latin-1")
    skip_lines: int = Field(0, ge=0, description="lines above the header: titles, serial numbers, blank ones")
    skip_after_header: int = Field(0, ge=0, description="lines between the header and the first row, such as units")
    time_column: str | tuple[str, ...] | None = Field(
        None,
        description="column of the timestamp, or a list of columns that hold it in parts, as in [Date, Time]: they are "
        "read with a blank between them; none for data without times",
    )
    first: Instant | None = Field(
        None,
        description="for data without times: the first reading's instant; the next follow at the asset type's step",
    )
    first_in_name: str | None = Field(
        None,
        description="for data without times whose files are named after their first reading's instant: how the name "
        "writes it, such as %Y.%m.%d.%H.%M.%S; within a file, readings follow at the asset type's step",
    )
    header: bool = Field(True, description="whether the first line names the columns")
    names: tuple[str, ...] | None = Field(None, description="the columns' names, for files without a header")
    asset_column: str | None = Field(
        None, description="column that names the asset; by default each file is one asset, named by its path"
    )
    asset_pattern: str | None = Field(
        None,
        description="regular expression for a file's whole path without its ending; its group 'asset' is the asset's "
        "name, as in (?P<asset>.*)_(train|test). Files of one asset follow each other. With asset_column or "
        "tag_pattern: file/asset",
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
        False,
        description="no longer needed for readings out of order, which are sorted in. Each file is read whole and "
        "sorted by time: for layout long whose values of one instant do not stand together, and for faults that are "
        "flagged row by row in a file that is not sorted",
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

    @field_validator("thousands")
    @classmethod
    def _is_a_mark(cls, thousands: str | None) -> str | None:
        if thousands is not None and thousands not in THOUSANDS:
            raise ValueError(f"thousands must be one of {', '.join(map(repr, THOUSANDS))}, got {thousands!r}")
        return thousands

    @model_validator(mode="after")
    def _counts_rows_that_are_instants(self) -> Self:
        by_row = [
            name
            for name in ("first", "first_in_name", "fault_from_row", "fault_last_rows", "fault_flags")
            if getattr(self, name)
        ]
        if self.layout == "long" and by_row:
            raise ValueError(f"{' and '.join(by_row)} count rows, but in layout long a row is no instant; remove it")
        if self.tag_pattern is not None and self.asset_column is not None:
            raise ValueError("asset_column and tag_pattern both name the machine; keep one")
        return self

    @model_validator(mode="after")
    def _knows_faults_one_way(self) -> Self:
        ways = ("fault_column", "fault_file", "fault_from_row", "fault_last_rows", "fault_flags")
        used = [way for way in ways if getattr(self, way) is not None]
        if self.fault_kind_column is not None and self.fault_column is None:
            used.append("fault_kind_column")
        if len(used) > 1:
            raise ValueError(f"{' and '.join(used)} each say where the faults are; keep one")
        if self.shuffled and self.fault_flags is not None:
            raise ValueError("fault_flags follow the rows of a file, and shuffled rows are sorted; remove one of them")
        if self.fault_free is not None and used not in (["fault_from_row"], ["fault_last_rows"]):
            raise ValueError("fault_free needs fault_from_row or fault_last_rows, from which it excepts files")
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        ways = [name for name in ("time_column", "first", "first_in_name") if getattr(self, name) is not None]
        if not ways:
            raise ValueError("set time_column, or first (such as 2026-01-01) for data without times")
        if len(ways) > 1:
            raise ValueError(f"{ways[1]} is only for data without times; remove it, or {ways[0]}")
        if self.first_in_name is not None and self.time_zone is None and "%z" not in self.first_in_name:
            raise ValueError("the times in the files' names name no time zone; set time_zone, such as time_zone: UTC")
        if self.header == (self.names is not None):
            raise ValueError("names lists the columns of files without a header: set both header: false and names")
        if self.decimal == self.separator:
            raise ValueError(f"decimal and separator cannot both be {self.decimal!r}")
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands cannot both be {self.decimal!r}")
        return self

    def caveats(self, plant: Plant) -> tuple[str, ...]:
        """Return notes on options that replace missing data; see `Source.caveats`."""
        step = format_duration(plant.asset_type.step)
        notes = []
        if self.first is not None:
            notes.append(
                f"the files name no times: each reading counts as {step} after the one before it, and delays, weeks "
                "and costs mean no more than that step does"
            )
        if self.fault_last_rows is not None:
            earlier = (
                f"an alarm up to {format_duration(plant.lead)} earlier that stays on is right, any other one false"
                if plant.lead
                else "an earlier alarm counts as false (lead in the plant's YAML grants it some time)"
            )
            notes.append(
                f"fault '{self.fault_kind}' is a convention, the last {self.fault_last_rows} readings before an asset "
                f"failed; nobody saw it begin, so {earlier}"
            )
        return tuple(notes)
