"""Tiers: how soon an alarm must be looked at, by its severity and by the fault that it looks like.

======== ============= =================================== ================
tier     severity      or it looks like a fault of tier    look within
======== ============= =================================== ================
critical 3 or more     critical (an electrical fault)      15 minutes
high     1.5 to 3      high (cavitation, worn bearings)    2 hours
medium   below 1.5     medium (a leak, a blockage)         24 hours
======== ============= =================================== ================

The more urgent of the two counts. A suspected fault only raises a tier and never lowers it: an alarm that looks like a
faulty sensor keeps the tier of its severity. Kinds and times are those of the reference system 001 (row 001-43); an
asset type names the tier of each of its faults.
"""

from __future__ import annotations

from datetime import timedelta

from wheeltapper.config import AssetType
from wheeltapper.scoring.alarms import tier

LOOK_WITHIN = {"critical": timedelta(minutes=15), "high": timedelta(hours=2), "medium": timedelta(hours=24)}
"""Tier → within which time an alarm must be looked at; the most urgent first."""


def tier_of(severity: float, kind: str | None, asset_type: AssetType) -> str:
    """Return the tier of an alarm: critical, high or medium.

    Parameters
    ----------
    severity : float
        The alarm's highest: score over threshold.
    kind : str or None
        The suspected fault; sensor faults and None raise nothing.
    """
    order = list(LOOK_WITHIN)
    of_fault = [asset_type.faults[kind].tier] if kind in asset_type.faults else []
    return min([tier(severity), *of_fault], key=order.index)
