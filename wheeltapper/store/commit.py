"""Commits: how a change becomes the next version of a table, all or nothing, through Delta's own transaction."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from wheeltapper import faultpoints
from wheeltapper.errors import StoreError
from wheeltapper.store import checkpoints, upkeep
from wheeltapper.store.entries import APPLICATION, CHECK, RECORD, Retired, State
from wheeltapper.store.files import File, make_folder
from wheeltapper.store.layout import PERIOD, Columns, PeriodKind, arrow_schema
from wheeltapper.store.log import LOG_FOLDER, Log
from wheeltapper.syncing import sync_file, sync_folder

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class ConflictError(StoreError):
    """Another writer committed first; read the new version and try again."""


@dataclass(frozen=True)
class Commit:
    """The next version, as a writer proposes it."""

    operation: str
    txn: str
    period: PeriodKind | None
    columns: Columns
    add: tuple[File, ...]
    remove: tuple[File, ...]
    made_from: dict[str, int] = field(default_factory=dict)
    retired: Retired | None = None
    """All versions that are given up, if the commit changes them."""


def commit(log: Log, state: State, change: Commit) -> State:
    """Make a change the version after ``state``, all or nothing, and sync it.

    Returns
    -------
    State
        The table at that version, read back from the log.

    Raises
    ------
    ConflictError
        If another writer has made that version meanwhile; nothing was changed.
    StoreError
        If Delta refuses, or sees the table differently than the log.
    """
    version = state.version + 1
    faultpoints.hit("store.before_commit")
    try:
        if state.version < 0:
            _create(log, state, change)
        else:
            _extend(log, state, change)
    except (DeltaError, OSError) as error:
        if isinstance(error, CommitFailedError) or log.path(version).exists():
            raise ConflictError(f"{log.folder}: another writer made version {version} first") from error
        raise StoreError(
            f"{log.folder}: Delta refused version {version}, the table is as it was: {error}. See that there is "
            "space; `wheeltapper store verify` says whether a file is damaged. A damaged checkpoint may be "
            "deleted, the log has everything it holds."
        ) from error
    faultpoints.hit("store.after_commit")
    sync(log, version)
    after = log.state(version)
    upkeep.after_commit(log, after, len(change.add) + len(change.remove))
    return after


def sync(log: Log, version: int) -> None:
    """Push one entry of the log to the disk."""
    sync_file(log.path(version))
    sync_folder(log.folder / LOG_FOLDER)


def _create(log: Log, state: State, change: Commit) -> None:
    make_folder(log.folder)
    create_table_with_add_actions(
        str(log.folder),
        Schema.from_arrow(_delta_schema(change)),
        _adds(log, change),
        mode="error",
        partition_by=_partition(change),
        name=log.folder.name,
        configuration={"delta.enableExpiredLogCleanup": "false"},  # the log is our proof: it is kept
        commit_properties=_properties(state, change),
        post_commithook_properties=_NO_HOOKS,
    )
    sync_folder(log.folder)  # the log's own folder is new


def _extend(log: Log, state: State, change: Commit) -> None:
    checkpoints.ensure(log, state)
    table = DeltaTable(log.folder)
    _require_same_view(log, table, state)
    changes_columns = state.columns != change.columns
    if changes_columns and set(state.files) != {file.path for file in change.remove}:
        raise StoreError(f"{log.folder}: columns can only change when the whole table is overwritten")
    # Delta takes new columns only with "overwrite", which derives its removes itself.
    table.create_write_transaction(
        _adds(log, change) if changes_columns else [*_adds(log, change), *_removes(log, change)],
        mode="overwrite" if changes_columns else "append",
        schema=_delta_schema(change),
        partition_by=_partition(change),
        commit_properties=_properties(state, change),
        post_commithook_properties=_NO_HOOKS,
    )


def _require_same_view(log: Log, table: DeltaTable, state: State) -> None:
    """Require that Delta sees the version from which the change was computed."""
    if table.version() != state.version:
        raise ConflictError(f"{log.folder}: another writer has moved on from version {state.version}")
    visible = set(table.get_add_actions(flatten=True)["path"].to_pylist())
    if visible != set(state.files):
        raise StoreError(
            f"{log.folder}: Delta sees other files in version {state.version} than the log holds, so a checkpoint "
            f"in {log.folder / LOG_FOLDER} is damaged. Delete the *.checkpoint.parquet files and _last_checkpoint "
            "there; the log has everything they hold."
        )


def _properties(state: State, change: Commit) -> CommitProperties:
    text = json.dumps(_record(state, change), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return CommitProperties(
        app_transactions=[Transaction(APPLICATION, state.version + 1)],
        custom_metadata={RECORD: text, CHECK: hashlib.sha256(text.encode()).hexdigest()},
        max_commit_retries=0,  # a rebased commit would carry a record of the wrong version
    )


def _record(state: State, change: Commit) -> dict[str, Any]:
    return {
        "version": state.version + 1,
        "operation": change.operation,
        "txn": change.txn,
        "period": change.period,
        "columns": [list(column) for column in change.columns],
        "add": [file.as_dict() for file in change.add],
        "remove": sorted(file.path for file in change.remove),
        **({"retired": change.retired.as_dict()} if change.retired else {}),
        **({"snapshot": list(state.snapshot)} if state.snapshot else {}),
        "previous": state.head,
        **({"made_from": change.made_from} if change.made_from else {}),
    }


def _adds(log: Log, change: Commit) -> list[AddAction]:
    return [
        AddAction(
            path=file.path,
            size=file.size,
            partition_values=checkpoints.partition_values(change.period, file),
            modification_time=checkpoints.modified_at(log.folder, file),
            data_change=True,
            stats=json.dumps({"numRecords": file.rows}),
        )
        for file in change.add
    ]


def _removes(log: Log, change: Commit) -> list[RemoveAction]:
    removed_at = max((checkpoints.modified_at(log.folder, file) for file in (*change.add, *change.remove)), default=0)
    return [
        RemoveAction(
            file.path,
            True,
            removed_at,
            size=file.size,
            partition_values=checkpoints.partition_values(change.period, file),
        )
        for file in change.remove
    ]


def _partition(change: Commit) -> list[str]:
    return [PERIOD] if change.period else []


def _delta_schema(change: Commit) -> Any:
    columns: Columns = (*change.columns, (PERIOD, "text")) if change.period else change.columns
    return arrow_schema(columns)
