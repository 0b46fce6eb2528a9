"""The self-test within a training: on normal readings that no candidate was fitted on, the same for all of them."""

from __future__ import annotations

import pandas as pd

from wheeltapper.features.plan import FeaturePlan
from wheeltapper.readings.exclude import why_masked
from wheeltapper.scoring.bundle import Bundle
from wheeltapper.selftest.examine import SelfTest, examine
from wheeltapper.selftest.twins import Twins, recent_twins
from wheeltapper.training.session import Training
from wheeltapper.training.shared import Shared
from wheeltapper.training.table import TrainingTable
from wheeltapper.workspace import Workspace


def run_self_test(
    space: Workspace, bundle: Bundle, training: Training, table: TrainingTable, shared: Shared
) -> SelfTest:
    """Return the self-test of a bundle on the readings that a training was opened with.

    The bundle may be an older one with another plan than the plant's present one: it is tested on the same faults in
    the same readings, with its own features.
    """
    plan = FeaturePlan.of(space.plant)
    if plan.hash in (bundle.plan.hash, bundle.whole):
        twins = twins_of_training(space, training, table, shared)
    elif bundle.plan.is_part_of(plan):
        twins = twins_of_training(space, training, table, shared).with_features_of(bundle.plan)
    else:
        twins = recent_twins(space, bundle.plan, _normal(space, plan, table), training.readings.version)
    return examine(bundle, twins, space.plant.alarms, space.plant.max_gap)


def twins_of_training(space: Workspace, training: Training, table: TrainingTable, shared: Shared) -> Twins:
    """Return the rows that all candidates of a training are tested on; they are computed once.

    Candidates share the plant's feature plan; a candidate with fewer features uses its columns of it.
    """
    plan = FeaturePlan.of(space.plant)
    version = training.readings.version
    return shared.get(f"twins {training.key}", lambda: recent_twins(space, plan, _normal(space, plan, table), version))


def _normal(space: Workspace, plan: FeaturePlan, table: TrainingTable) -> pd.DataFrame:
    """Return the windows of normal running that no candidate was fitted on."""
    judged = table.windows[table.part.isin(["calibrate", "validate"])]
    plant = space.plant
    reason = why_masked(plan.reaching(judged), table.faults, plant.window_reach, table.flags, lead=plant.lead)
    return _without_doubt(judged[reason == ""], table)


def _without_doubt(normal: pd.DataFrame, table: TrainingTable) -> pd.DataFrame:
    """Leave out windows inside a lasting alarm that is not judged.

    They may be faulty, and a candidate that raises an alarm there may be right: used as clean running, a lasting fault
    would refuse every candidate. Where no other windows are left, they are used.
    """
    is_doubtful = normal["asset_id"].isin(table.in_doubt) & (table.part.loc[normal.index] == "validate")
    return normal if is_doubtful.all() or not is_doubtful.any() else normal[~is_doubtful]
