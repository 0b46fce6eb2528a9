"""Two kinds of faults that are one under two names."""

import pandas as pd
import pytest

from wheeltapper.evaluation.duplicate_target import duplicate_target


def faults(kind: str, *hours: tuple[float, float], asset: str = "pump-1") -> pd.DataFrame:
    """Faults of one kind, by hours of a day."""
    day = pd.Timestamp("2026-01-01", tz="UTC")
    spans = [(day + pd.Timedelta(hours=start), day + pd.Timedelta(hours=end)) for start, end in hours]
    return pd.DataFrame({"asset_id": asset, "kind": kind, "start": [s for s, _ in spans], "end": [e for _, e in spans]})


def test_a_copy_is_named() -> None:
    """Hot and wet always come together; cold comes by itself."""
    gate = duplicate_target(
        pd.concat([faults("hot", (1, 5), (20, 25)), faults("wet", (1, 5), (20, 25)), faults("cold", (1, 5))])
    )
    assert gate.passed is False and not gate.blocks
    assert gate.figure == pytest.approx(1)
    assert "hot and wet are one target under two names" in gate.reason
    assert "cold and" not in gate.reason


def test_a_minute_does_not_hide_a_copy() -> None:
    """One of two events begins a minute later, and another is cut in two that touch: still a copy."""
    gate = duplicate_target(
        pd.concat([faults("hot", (1, 5), (20, 25)), faults("wet", (1 + 1 / 60, 5), (20, 22), (22, 25))])
    )
    assert gate.passed is False
    assert gate.figure == pytest.approx(1 - 1 / 540, abs=1e-3)


def test_half_of_the_time_is_no_copy() -> None:
    """Four hours of wet within eight of hot: half of the time in either lies in both."""
    gate = duplicate_target(pd.concat([faults("hot", (0, 8)), faults("wet", (2, 6))]))
    assert gate.passed is True
    assert gate.figure == pytest.approx(0.5)


def test_other_machines_are_other_times() -> None:
    """The same hours on two machines have nothing in common."""
    gate = duplicate_target(pd.concat([faults("hot", (0, 8)), faults("wet", (0, 8), asset="pump-2")]))
    assert gate.figure == 0


@pytest.mark.parametrize("kinds", [[], ["hot"], ["", "hot"]])
def test_one_kind_cannot_be_asked_about(kinds: list[str]) -> None:
    """No fault, one kind, or one kind beside faults that nobody has named."""
    known = [faults(kind, (1, 5)) for kind in kinds] or [faults("none").iloc[:0]]
    assert duplicate_target(pd.concat(known)).passed is None
