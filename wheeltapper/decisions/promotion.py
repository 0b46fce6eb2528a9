"""Decisions by hand: promote and roll back, on record like the pipeline's own."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from wheeltapper import manifest
from wheeltapper.decisions import ledger
from wheeltapper.errors import ConfigError, NoChampionError
from wheeltapper.workspace import Workspace


def follow_ledger(space: Workspace, objective: str) -> None:
    """Let the registry's aliases of an objective follow the ledger; a run that was killed in between is finished here.

    The ledger decides. Its entry is written first, so that no model is ever live without one.
    """
    name, registry = space.plant.name, space.registry
    live = ledger.live(space.store, objective)
    if live is not None:
        before = registry.champion(name, objective)
        current = before.version if before else None
        registry.set_alias(name, objective, "champion", int(live["version"]), expected=current)
    rival, now = _challenger(space, objective), registry.challenger(name, objective)
    current = now.version if now else None
    if rival is not None:
        registry.set_alias(name, objective, "challenger", rival, expected=current)
    elif current is not None:
        registry.drop_alias(name, objective, "challenger", expected=current)


def _challenger(space: Workspace, objective: str) -> int | None:
    """Return the version that challenges the champion: the latest one, unless a champion was made since."""
    entries = ledger.entries(space.store, objective)
    for verdict, version in zip(entries["verdict"][::-1], entries["version"][::-1], strict=True):
        if verdict == "challenge":
            return int(version)
        if verdict in ledger.MAKES_LIVE:
            return None
    return None


def promote(space: Workspace, objective: str, to: int | None, *, actor: str, now: datetime) -> dict[str, Any]:
    """Make a version champion: the challenger, or the one named.

    Raises
    ------
    ConfigError
        If there is no such version, or it is champion already.
    NoChampionError
        If there is no challenger to promote.
    """
    _require_objective(space, objective)
    if to is None:
        rival = space.registry.challenger(space.plant.name, objective)
        if rival is None:
            raise NoChampionError(
                f"{space.plant.name} has no challenger. Name a version: {_versions(space, objective)}"
            )
        to = rival.version
    return _make_champion(space, objective, to, "promote", "promoted by hand", actor, now)


def roll_back(space: Workspace, objective: str, to: int | None, *, actor: str, now: datetime) -> dict[str, Any]:
    """Return to the champion before this one, or to the version named.

    Raises
    ------
    ConfigError
        If there is no such version, or it is champion already.
    NoChampionError
        If there was no other champion before.
    """
    _require_objective(space, objective)
    live = ledger.live(space.store, objective)
    if live is None:
        raise NoChampionError(f"{space.plant.name} has no champion to roll back from.")
    if to is None:
        before = _champions(space, objective)[:-1]
        if not before:
            raise NoChampionError(
                f"{space.plant.name} has had no champion before. Its versions: {_versions(space, objective)}"
            )
        to = before[-1]
    return _make_champion(
        space, objective, to, "roll back", f"rolled back from version {live['version']} by hand", actor, now
    )


def _champions(space: Workspace, objective: str) -> list[int]:
    """Return the versions that led to the live one, which is the last.

    Rolling back forgets what came after: whoever rolls back twice goes two steps back, not one back and one forth.
    """
    entries = ledger.entries(space.store, objective)
    line: list[int] = []
    for verdict, version in zip(entries["verdict"], entries["version"], strict=True):
        if verdict == "roll back" and int(version) in line:
            line = line[: line.index(int(version)) + 1]
        elif verdict in ledger.MAKES_LIVE and version:
            line.append(int(version))
    return line


def _make_champion(
    space: Workspace,
    objective: str,
    to: int,
    verdict: Literal["promote", "roll back"],
    reason: str,
    actor: str,
    now: datetime,
) -> dict[str, Any]:
    known = {version.version: version for version in space.registry.versions(space.plant.name, objective)}
    if to not in known:
        raise ConfigError(f"{space.plant.name} has no version {to}. Its versions: {_versions(space, objective)}")
    live = ledger.live(space.store, objective)
    if live is not None and live["bundle"] == known[to].bundle:
        raise ConfigError(f"version {to} is champion already.")
    # A bundle that was changed on disk must not go live: this raises and names the file.
    manifest.verify(space.registry.download(known[to]), known[to].bundle)
    entry = ledger.append(
        space.store,
        now=now,
        actor=actor,
        objective=objective,
        verdict=verdict,
        bundle=known[to].bundle,
        version=str(to),
        run=f"by hand {now.isoformat()}",
        data={},
        gates=[],
        reason=reason,
    )
    follow_ledger(space, objective)
    return entry


def _versions(space: Workspace, objective: str) -> str:
    found = space.registry.versions(space.plant.name, objective)
    return ", ".join(str(version.version) for version in reversed(found)) or "none"


def _require_objective(space: Workspace, objective: str) -> None:
    asked = [wanted.name for wanted in space.plant.objectives]
    if objective not in asked:
        raise ConfigError(f"no objective named '{objective}'; found {asked}.")
