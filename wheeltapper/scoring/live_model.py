"""The live model of a plant: the version that the ledger names, and the stored feature rows that it can score."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pandas as pd

from wheeltapper.decisions import ledger
from wheeltapper.decisions.bundle_place import BundlePlace
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
    expected, place = str(entry["bundle"]), BundlePlace(space, str(entry["bundle"]))
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
