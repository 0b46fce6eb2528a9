"""Open trainings: check the tables, compute the key of each training, and find or create it in MLflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wheeltapper.errors import StoreError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.store import Ref
from wheeltapper.training.objective import Objective
from wheeltapper.training.session import Training
from wheeltapper.training.table import LEARNT_FROM
from wheeltapper.training.withheld import write_withheld
from wheeltapper.workspace import Workspace

_SHOWN = {"normalise", "parts", "models", "alarm_budget", "seed"}
"""Settings of the plant that MLflow shows as parameters."""


def open_trainings(space: Workspace, objectives: Sequence[Objective]) -> tuple[Training, ...]:
    """Open one training for each objective, on the present versions of the tables.

    An interrupted training is continued, because it has the same key. Other trainings that were killed are marked as
    such in MLflow.

    Raises
    ------
    StoreError
        If a file of the tables is damaged.
    """
    _require_undamaged(space)
    write_withheld(space)
    refs = {name: space.store.ref(table) for name, table in LEARNT_FROM.items()}
    digests = [refs[name].digest for name in sorted(refs)]
    keys = {objective.name: objective.training_key(space.plant, digests) for objective in objectives}
    space.registry.prepare()
    space.registry.end_others(*keys.values())
    return tuple(_opened(space, objective, keys[objective.name], refs) for objective in objectives)


def _opened(space: Workspace, objective: Objective, key: str, refs: dict[str, Ref]) -> Training:
    plant = space.plant
    run_id = space.registry.parent_run(
        key,
        name=f"{plant.name} {key[:6]}",
        tags={
            "plant": plant.name,
            "objective": objective.name,
            "wheeltapper.features": FeaturePlan.of(plant).hash,
            # Tags may change: rows that were changed and changed back are the same training, in a later version.
            **{f"wheeltapper.{name}_version": str(ref.version) for name, ref in refs.items()},
        },
        params=_parameters(space, objective),
    )
    labels = (*objective.baselines(plant), *objective.candidates(plant))
    return Training(objective.name, key, run_id, refs, labels)


def _parameters(space: Workspace, objective: Objective) -> dict[str, Any]:
    """Return settings that the training depends on: MLflow refuses another value when a training is opened again."""
    settings = space.plant.model_dump(mode="json", include=_SHOWN & objective.settings_used)
    if space.plant.search is not None and "search" in objective.settings_used:
        settings["search"] = space.plant.search.model_dump(mode="json", exclude={"over"})
    return settings


def _require_undamaged(space: Workspace) -> None:
    damage = space.store.verify(everything=False)
    if damage:
        raise StoreError(
            f"{len(damage)} damaged files, first {damage[0].path}: {damage[0].what}. Nothing is trained on them."
        )
