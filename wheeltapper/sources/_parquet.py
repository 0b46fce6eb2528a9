"""Finding parquet files, here or in an object store, and reading the wanted columns of one in pieces."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.fs as pa_fs
import pyarrow.parquet as pq

from wheeltapper.config import Plant
from wheeltapper.errors import SourceError
from wheeltapper.sources._files import locate, natural
from wheeltapper.sources._seen import Stamp

_ENDINGS = (".parquet", ".parq", ".pq")
_WILD = re.compile(r"[*?\[]")
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_WALL_CLOCK = timedelta(days=2)
"""How far a wall clock can be from UTC, amply: zones reach 14 h, and whole days were skipped (Samoa, 2011)."""

Bounds = tuple[datetime | None, datetime | None]


@dataclass(frozen=True)
class ParquetFile:
    """One file, and what its folders' names say about all of its rows."""

    system: Any
    path: str
    shown: str
    """Its path below the source's folder, for messages."""
    names: list[str]
    """Its columns, then those that its folders name."""
    partition: dict[str, str | None]

    def tables(self, columns: list[str], time_column: str, bounds: Bounds, at_once: int) -> Iterator[Any]:
        """Yield its rows in order, as pyarrow tables of at most ``at_once`` rows.

        Parameters
        ----------
        columns : list of str
            What to read.
        time_column, bounds
            Row groups whose statistics say that all their times lie outside are not read.
        at_once : int
            Most rows of a table.

        Raises
        ------
        SourceError
            If the file is damaged.
        """
        stored = [name for name in columns if name not in self.partition]
        try:
            with self.system.open_input_file(self.path) as raw:
                file = pq.ParquetFile(raw, pre_buffer=False)
                groups = [at for at in range(file.num_row_groups) if _may_hold(file, at, time_column, bounds)]
                if at_once == sys.maxsize:
                    yield self._with_partition(file.read_row_groups(groups, columns=stored), columns)
                    return
                # An empty list would mean all of them.
                for batch in file.iter_batches(at_once, row_groups=groups, columns=stored) if groups else ():
                    yield self._with_partition(pa.Table.from_batches([batch]), columns)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(_unreadable(self.shown, error)) from error

    def _with_partition(self, table: Any, columns: list[str]) -> Any:
        for name in columns:
            if name in self.partition:
                table = table.append_column(name, pa.array([self.partition[name]] * len(table), pa.string()))
        return table.select(columns)


def find(path: str, plant: Plant) -> list[ParquetFile]:
    """Return the files of a path, pattern or URL, in natural order; their footers are read.

    Raises
    ------
    SourceError
        If there is none, the folder is a Delta table, an object store refuses, or a file is no parquet.
    """
    return look_into(*_choose(path, plant))


def look_into(system: Any, shown: dict[str, str]) -> list[ParquetFile]:
    """Read the footers of files, given by their path and the name that messages show."""
    return [_look(system, file, name) for file, name in shown.items()]


def stamps(path: str, plant: Plant) -> tuple[Any, dict[str, str], dict[str, Stamp]]:
    """Return the file system, path → shown name, and shown name → stamp; no file is opened. Raises as `find`."""
    system, shown = _choose(path, plant)
    is_local = isinstance(system, pa_fs.LocalFileSystem)
    about = system.get_file_info(list(shown))
    found = {
        shown[info.path]: Stamp(info.size, info.mtime_ns or 0, Path(info.path) if is_local else None) for info in about
    }
    return system, shown, found


def _choose(path: str, plant: Plant) -> tuple[Any, dict[str, str]]:
    """Return the file system, and the files of a path, pattern or URL in natural order with their shown names."""
    head, pattern = _cut_pattern(path)
    if "://" in path:
        system, root = _open_store(head)
    else:
        system, root = pa_fs.LocalFileSystem(), locate(Path(head or "."), plant).as_posix()
    try:
        base, paths = _list(system, root, path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {_one_line(error)}{_access(path)}") from error
    if any("_delta_log" in Path(file).parts for file in paths):
        raise SourceError(
            f"{path} is a Delta table: some of its files were replaced by others, and only its log says which. "
            "Export its present rows, and give that path."
        )
    shown = {file: file.removeprefix(base).lstrip("/") for file in paths}
    chosen = [file for file in paths if _is_meant(shown[file], pattern)]
    if not chosen and paths:
        endings = sorted({Path(file).suffix or Path(file).name for file in paths})
        raise SourceError(
            f"no file in {root} matches {pattern or '*' + _ENDINGS[0]} (it holds {', '.join(endings[:8])}). "
            "Change path."
        )
    if not chosen:
        raise SourceError(f"no parquet file in {root}: the folder is empty. Change path.")
    return system, {file: shown[file] for file in sorted(chosen, key=lambda file: natural(shown[file]))}


def _cut_pattern(path: str) -> tuple[str, str | None]:
    """Cut a path before its first folder with a wildcard."""
    wild = _WILD.search(path)
    if wild is None:
        return path, None
    cut = path.rfind("/", 0, wild.start()) + 1
    return path[:cut], path[cut:]


def _open_store(url: str) -> tuple[Any, str]:
    try:
        # A name in a store may hold blanks and umlauts, an address may not.
        system, root = pa_fs.FileSystem.from_uri(quote(url, safe="/:?=&%@+,;!$'()~#"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(
            f"{url} cannot be opened: {_one_line(error)}. Use s3://, gs:// or file:///.{_access(url)}"
        ) from error
    return system, str(root)


def _list(system: Any, root: str, path: str) -> tuple[str, list[str]]:
    """Return the folder, and all files below it; for one file its folder and itself."""
    info = system.get_file_info(root)
    if info.type == pa_fs.FileType.NotFound:
        raise SourceError(f"no file or folder {path}. Change path.")
    if info.type == pa_fs.FileType.File:
        return root.rpartition("/")[0], [root]
    entries = system.get_file_info(pa_fs.FileSelector(root, recursive=True))
    return root, [entry.path for entry in entries if entry.type == pa_fs.FileType.File]


def _is_meant(shown: str, pattern: str | None) -> bool:
    """Tell data from files that tools leave beside it (``_SUCCESS``, ``.crc``)."""
    if any(part.startswith(("_", ".")) for part in shown.split("/")):
        return False
    if pattern is None:
        return shown.lower().endswith(_ENDINGS) or ("/" not in shown and "." not in shown)
    return re.fullmatch(_as_regex(pattern), shown) is not None


def _as_regex(pattern: str) -> str:
    """Write a pattern as a regular expression: ``**/`` is any folders, ``*`` and ``?`` stay within a name."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    wildcards = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(wildcards.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts)


def _look(system: Any, path: str, shown: str) -> ParquetFile:
    """Read a file's footer."""
    try:
        with system.open_input_file(path) as raw:
            names = list(pq.read_schema(raw).names)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(_unreadable(shown, error)) from error
    partition = {key: value for key, value in _partition(shown).items() if key not in names}
    return ParquetFile(system, path, shown, [*names, *partition], partition)


def _partition(shown: str) -> dict[str, str | None]:
    """Return the values of folders such as ``site=north``."""
    pairs = [part.partition("=") for part in shown.split("/")[:-1] if "=" in part]
    return {key: None if value == _NULL_PARTITION else unquote(value) for key, _, value in pairs}


def _may_hold(file: Any, group: int, column: str, bounds: Bounds) -> bool:
    """Tell whether a row group may have rows of the span; without statistics it may."""
    if bounds == (None, None):
        return True
    row_group = file.metadata.row_group(group)
    for at in range(row_group.num_columns):
        chunk = row_group.column(at)
        if chunk.path_in_schema == column:
            return not chunk.is_stats_set or _touches(chunk.statistics, bounds)
    return True


def _touches(statistics: Any, bounds: Bounds) -> bool:
    # Rows without a time come when reading from the beginning.
    has_unplaced = bounds[0] is None and (not statistics.has_null_count or statistics.null_count > 0)
    if has_unplaced or not statistics.has_min_max:
        return True
    low, high = statistics.min, statistics.max
    if not isinstance(low, datetime) or not isinstance(high, datetime):
        return True
    margin = timedelta(0) if low.tzinfo else _WALL_CLOCK
    low, high = (limit if limit.tzinfo else limit.replace(tzinfo=UTC) for limit in (low, high))
    start, end = bounds
    return (start is None or high + margin >= start) and (end is None or low - margin < end)


def _unreadable(shown: str, error: Exception) -> str:
    return f"{shown} cannot be read as parquet: {_one_line(error)}"


def _access(path: str) -> str:
    """Return advice on the access to an object store."""
    if not path.startswith("s3://"):
        return ""
    return (
        ". Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION, and AWS_ENDPOINT_URL for a store that "
        "is not Amazon's"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
