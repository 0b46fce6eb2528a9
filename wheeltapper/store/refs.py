"""References that travel between tasks in place of rows: a table at a version, and rows that no version holds yet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

from wheeltapper.store.files import File
from wheeltapper.store.layout import Columns


@dataclass(frozen=True)
class Ref:
    """One table at one version; it travels between tasks in place of the rows."""

    plant: str
    table: str
    version: int
    """-1 for a table that nothing was written to yet."""
    digest: str
    """Hash of its content, the same for the same content whatever the commits."""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON.

        >>> Ref("pump_station", "readings", 3, "5e88").as_dict()
        {'plant': 'pump_station', 'table': 'readings', 'version': 3, 'digest': '5e88'}
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the reference that `as_dict` wrote."""
        return cls(**fields)


@dataclass(frozen=True)
class Staged:
    """Rows on the disk that no version holds yet; `Store.replace` makes them one, `Store.sweep` deletes them."""

    columns: Columns
    files: tuple[File, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(file.rows for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return {"columns": [list(column) for column in self.columns], "files": [file.as_dict() for file in self.files]}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the staged rows that `as_dict` wrote."""
        return cls(
            tuple((name, kind) for name, kind in fields["columns"]),
            tuple(File.from_dict(file) for file in fields["files"]),
        )
