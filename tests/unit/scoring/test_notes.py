"""What scoring says of machines that training knew too little of."""

from types import SimpleNamespace
from typing import Any

import pandas as pd

from wheeltapper.features.normalise import RegimeNormaliser
from wheeltapper.scoring import calibration, notes
from wheeltapper.scoring.calibration import ANY, Calibration
from wheeltapper.scoring.promise import Promise


def windows(*assets: str, count: int = 60) -> pd.DataFrame:
    """Return calm windows of some machines."""
    rows = [
        {"asset_id": asset, "regime": "normal", "usable": True, "flow": float(at)}
        for asset in assets
        for at in range(count)
    ]
    return pd.DataFrame(rows)


def caveats(known: Calibration, *scored: str) -> list[str]:
    bundle: Any = SimpleNamespace(
        normaliser=RegimeNormaliser().fit(windows("old").drop(columns="usable")), calibration=known
    )
    return notes.caveats(bundle, windows(*scored))


def test_new_machines_whose_thresholds_are_not_trusted_are_named() -> None:
    """Two new machines, one with a little running of its own, in the order of people; the trained one is left out."""
    known = Calibration({}, {}, {ANY: 1.0}, weeks={"old": 0.1, "new-2": 2.0}, promise=Promise(1.0, 1.0, 0.1, 1.0, 9.0))
    told = caveats(known, "old", "new-10", "new-2")
    assert told[-1].startswith("thresholds not trusted yet: new-2 (provisional), new-10 (learning); asset not seen in ")
    assert len(told) == 3, "and that both are scaled by their regime"


def test_nothing_is_said_of_machines_that_are_known_or_need_no_trust() -> None:
    """A machine that was trained on, one that has earned trust, and a detector that has decided for itself."""
    known = Calibration({}, {}, {ANY: 1.0}, weeks={"new": 9.0}, promise=Promise(1.0, 1.0, 0.1, 1.0, 9.0))
    assert caveats(known, "old") == []
    assert [line for line in caveats(known, "new") if "not trusted" in line] == []
    assert [line for line in caveats(calibration.fixed(1.0), "new") if "not trusted" in line] == []
