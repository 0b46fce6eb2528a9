"""The live model of a plant: the version that the ledger names, and the stored feature rows that it can score."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pandas as pd

from wheeltapper.decisions import ledger
from wheeltapper.errors import BundleError, RegistryError
from wheeltapper.features.compute import select
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.workspace import OBJECTIVE, Workspace

if TYPE_CHECKING:
    from wheeltapper.registry import Version


def live_version(space: Workspace, objective: str) -> Version | None:
    """Return the version that is live for an objective by the ledger; None without one.

    Raises
    ------
    RegistryError
        If the registry does not have the version.
    """
    entry = ledger.live(space.store, objective)
    return None if entry is None else _registered(space, objective, entry)


def _registered(space: Workspace, objective: str, entry: dict[str, Any]) -> Version:
    """Return the registry's version of a ledger entry's bundle."""
    by_bundle = {version.bundle: version for version in space.registry.versions(space.plant.name, objective)}
    if entry["bundle"] not in by_bundle:
        is_live = "is live" if entry["verdict"] in ledger.MAKES_LIVE else "is the challenger"
        raise RegistryError(
            f"the ledger of {space.plant.name} says that bundle {entry['bundle'][:12]} (version {entry['version']}) "
            f"{is_live}, but the registry at {space.registry.tracking_uri} does not have it. Restore MLflow's database "
            "and files, or delete WHEELTAPPER_HOME and start again."
        )
    return by_bundle[entry["bundle"]]


def live_bundle(space: Workspace) -> Bundle | None:
    """Read and verify the live bundle of the detector; None if nothing is live.

    Raises
    ------
    RegistryError
        If the registry does not have the version.
    BundleError
        If the bundle was changed since it was registered.
    """
    return _bundle_of(space, ledger.live(space.store, OBJECTIVE))


def challenger_bundle(space: Workspace) -> Bundle | None:
    """Read and verify the bundle of the detector's challenger; None if there is none. Raises as `live_bundle`."""
    return _bundle_of(space, ledger.challenger(space.store, OBJECTIVE))


def _bundle_of(space: Workspace, entry: dict[str, Any] | None) -> Bundle | None:
    """Read the bundle of a ledger entry from where it was read last, else from where the registry says."""
    if entry is None:
        return None
    expected, place = str(entry["bundle"]), _Place(space, entry["bundle"])
    folder = place.folder()
    if folder is not None:
        # Where this fails, the bundle was moved or changed. The registry knows where it is now, and reading it there
        # raises an error that names the file.
        with suppress(BundleError):
            return bundles.read(folder, expected=expected, plug_ins=space.plant.plug_ins)
    folder = space.registry.download(_registered(space, OBJECTIVE, entry))
    bundle = bundles.read(folder, expected=expected, plug_ins=space.plant.plug_ins)
    place.remember(folder)
    return bundle


@dataclass(frozen=True)
class _Place:
    """Where a bundle was read last, in a file under the home: MLflow, which takes seconds to open, is not needed then.

    It is believed only because the bundle's hash is checked whenever it is read.
    """

    space: Workspace
    bundle: str

    def folder(self) -> Path | None:
        """Return the bundle's folder; None if it is not known or no longer there."""
        if not self._file.is_file():
            return None
        folder = self._home / self._file.read_text(encoding="utf-8")
        return folder if folder.is_dir() else None

    def remember(self, folder: Path) -> None:
        """Write down the folder; one under the home as seen from there, as a home may be moved."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        inside = folder.resolve().is_relative_to(self._home)
        text = str(folder.resolve().relative_to(self._home) if inside else folder.absolute())
        unfinished = self._file.with_name(f".{self._file.name}.{uuid4().hex}")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(self._file)

    @property
    def _home(self) -> Path:
        return self.space.settings.home.resolve()

    @property
    def _file(self) -> Path:
        return self._home / "live" / self.space.plant.name / f"{self.bundle}.txt"


def stored_rows(space: Workspace, bundle: Bundle, rows: pd.DataFrame) -> pd.DataFrame | None:
    """Return stored feature rows with the columns of the bundle's plan; None where the plant's plan has changed.

    A bundle's plan has only the columns that it uses; the table has all columns of the plant's plan. Where the bundle's
    plan is part of the plant's, its columns are selected.
    """
    followed = set(rows["plan"].unique())
    if followed <= {bundle.plan.hash}:
        return rows
    whole = FeaturePlan.of(space.plant)
    return select(bundle.plan, rows) if followed == {whole.hash} and bundle.plan.is_part_of(whole) else None
