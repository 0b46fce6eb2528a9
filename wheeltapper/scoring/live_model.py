"""The live model of a plant: the version that the ledger names, and the stored feature rows that it can score."""

from __future__ import annotations

import pandas as pd

from wheeltapper.decisions import ledger
from wheeltapper.errors import RegistryError
from wheeltapper.features.compute import select
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.registry import Version
from wheeltapper.scoring import bundle as bundles
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.workspace import OBJECTIVE, Workspace


def live_version(space: Workspace, objective: str) -> Version | None:
    """Return the version that is live for an objective by the ledger; None without one.

    Raises
    ------
    RegistryError
        If the registry does not have the version.
    """
    entry = ledger.live(space.store, objective)
    if entry is None:
        return None
    by_bundle = {version.bundle: version for version in space.registry.versions(space.plant.name, objective)}
    if entry["bundle"] not in by_bundle:
        raise RegistryError(
            f"the ledger of {space.plant.name} says that bundle {entry['bundle'][:12]} (version {entry['version']}) is "
            f"live, but the registry at {space.registry.tracking_uri} does not have it. Restore MLflow's database and "
            "files, or delete WHEELTAPPER_HOME and start again."
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
    version = live_version(space, OBJECTIVE)
    if version is None:
        return None
    folder = space.registry.download(version)
    return bundles.read(folder, expected=version.bundle, plug_ins=space.plant.plug_ins)


def challenger_bundle(space: Workspace) -> Bundle | None:
    """Read and verify the bundle of the detector's challenger; None if there is none.

    Raises
    ------
    BundleError
        If the bundle was changed since it was registered.
    """
    version = space.registry.challenger(space.plant.name, OBJECTIVE)
    if version is None:
        return None
    folder = space.registry.download(version)
    return bundles.read(folder, expected=version.bundle, plug_ins=space.plant.plug_ins)


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
