"""Decisions by hand: promote and roll back, recorded like those of the pipeline."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from wheeltapper import manifest
from wheeltapper.decisions import ledger
from wheeltapper.decisions.bundle_place import BundlePlace
from wheeltapper.errors import ConfigError, NoChampionError
from wheeltapper.workspace import Workspace


def follow_ledger(space: Workspace, objective: str) -> None:
    """Set the registry's aliases of an objective as the ledger says; this also completes a run that was killed.

    The ledger decides. Its entry is written first, so that no model is ever live without an entry.
    """
    name, registry = space.plant.name, space.registry
    live = ledger.live(space.store, objective)
    if live is not None:
        before = registry.champion(name, objective)
        current = before.version if before else None
        registry.set_alias(name, objective, "champion", int(live["version"]), expected=current)
    rival, now = ledger.challenger(space.store, objective), registry.challenger(name, objective)
    current = now.version if now else None
    if rival is not None:
        registry.set_alias(name, objective, "challenger", int(rival["version"]), expected=current)
    elif current is not None:
        registry.drop_alias(name, objective, "challenger", expected=current)
    _remember_places(space, objective, [entry for entry in (live, rival) if entry is not None])


def _remember_places(space: Workspace, objective: str, entries: list[dict[str, Any]]) -> None:
    """Write down where the bundles of ledger entries lie, so that what scores need not ask MLflow."""
    unknown = {str(entry["bundle"]): BundlePlace(space, str(entry["bundle"])) for entry in entries}
    unknown = {bundle: place for bundle, place in unknown.items() if place.folder() is None}
    if unknown:
        for version in space.registry.versions(space.plant.name, objective):
            if version.bundle in unknown:
                unknown[version.bundle].remember(space.registry.download(version))


def promote(space: Workspace, objective: str, to: int | None, *, actor: str, now: datetime) -> dict[str, Any]:
    """Make a version champion: the challenger, or the version given.

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
    """Return to the champion before this one, or to the version given.

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

    Rolling back drops the later versions, so that rolling back twice goes two steps back and not back and forth.
    """
    entries = ledger.entries(space.store, objective)
    path: list[int] = []
    for verdict, version in zip(entries["verdict"], entries["version"], strict=True):
        if verdict == "roll back" and int(version) in path:
            path = path[: path.index(int(version)) + 1]
        elif verdict in ledger.MAKES_LIVE and version:
            path.append(int(version))
    return path


def _make_champion(
    space: Workspace,
    objective: str,
    to: int,
    verdict: Literal["promote", "roll back"],
    reason: str,
    actor: str,
    now: datetime,
) -> dict[str, Any]:
    by_number = {version.version: version for version in space.registry.versions(space.plant.name, objective)}
    if to not in by_number:
        raise ConfigError(f"{space.plant.name} has no version {to}. Its versions: {_versions(space, objective)}")
    live = ledger.live(space.store, objective)
    if live is not None and live["bundle"] == by_number[to].bundle:
        raise ConfigError(f"version {to} is champion already.")
    # A bundle that was changed on disk must not go live: this raises and names the file.
    manifest.verify(space.registry.download(by_number[to]), by_number[to].bundle)
    entry = ledger.append(
        space.store,
        now=now,
        actor=actor,
        objective=objective,
        verdict=verdict,
        bundle=by_number[to].bundle,
        version=str(to),
        run=f"by hand {now.isoformat()}",
        data={},
        gates=[],
        reason=reason,
    )
    follow_ledger(space, objective)
    return entry


def _versions(space: Workspace, objective: str) -> str:
    versions = space.registry.versions(space.plant.name, objective)
    return ", ".join(str(version.version) for version in reversed(versions)) or "none"


def _require_objective(space: Workspace, objective: str) -> None:
    names = [plug_in.name for plug_in in space.plant.objectives]
    if objective not in names:
        raise ConfigError(f"no objective named '{objective}'; found {names}.")
