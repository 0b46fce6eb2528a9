"""Faults fill their share exactly, keep apart, grow, and do what the asset type says."""

import itertools
from datetime import timedelta

import numpy as np
import pytest

from wheeltapper.config import AssetType, Effect, FaultKind, Sensor
from wheeltapper.errors import SourceError
from wheeltapper.simulation.faults import Fault, damage, plan

MINUTE = timedelta(minutes=1)
KINDS = ("wear", "leak", "jam")


def _runs(days: int, per_day: int = 1440) -> np.ndarray:
    """A machine that stands still in the last hundredth of every day."""
    day = np.ones(per_day, dtype=bool)
    day[-max(1, per_day // 100) :] = False
    return np.tile(day, days)


def _hits(faults: list[Fault], rows: int) -> np.ndarray:
    hits = np.zeros(rows, dtype=int)
    for fault in faults:
        hits[fault.span] += 1
    return hits


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize(("days", "rate"), [(1, 0.02), (4, 0.02), (35, 0.02), (30, 0.2), (30, 0.5), (3, 0.5)])
def test_the_share_of_rows_inside_faults_is_the_asked_one(days: int, rate: float, overlap: bool) -> None:
    """For twenty seeds the number of rows inside faults is the asked one to the row."""
    runs = _runs(days)
    for seed in range(20):
        faults = plan(np.random.default_rng(seed), runs, MINUTE, rate, KINDS, overlap=overlap)
        assert (_hits(faults, len(runs)) > 0).sum() == round(rate * len(runs))


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_faults_keep_apart_and_within_running(rate: float) -> None:
    """Between two faults there is an hour; none touches standstill; each lasts 30 to 240 minutes."""
    runs = _runs(30)
    for seed in range(20):
        faults = plan(np.random.default_rng(seed), runs, MINUTE, rate, KINDS)
        assert all(runs[fault.span].all() for fault in faults)
        assert all(30 <= fault.rows <= 240 for fault in faults)
        pauses = [later.first - (one.first + one.rows) for one, later in itertools.pairwise(faults)]
        assert min(pauses) >= 60


def test_overlap_is_possible_where_asked() -> None:
    """With overlap at half of all rows, some row lies in two faults, and none where the machine stands still."""
    runs = _runs(10)
    hits = _hits(plan(np.random.default_rng(0), runs, MINUTE, 0.5, KINDS, overlap=True), len(runs))
    assert hits.max() > 1
    assert not hits[~runs].any()


def test_lengths_are_minutes_at_every_step() -> None:
    """At 15 minutes a row, faults last 2 to 16 rows."""
    faults = plan(np.random.default_rng(1), _runs(60, 96), 15 * MINUTE, 0.1, KINDS)
    assert all(2 <= fault.rows <= 16 for fault in faults)


def test_lengths_are_spread_evenly() -> None:
    """The mean of many faults lies near 135 minutes, and both ends of the range occur."""
    rows = [f.rows for seed in range(20) for f in plan(np.random.default_rng(seed), _runs(60), MINUTE, 0.2, KINDS)]
    assert np.mean(rows) == pytest.approx(135, rel=0.05)
    assert min(rows) < 35
    assert max(rows) > 235


def test_places_are_spread_evenly() -> None:
    """Every tenth of the series holds about a tenth of the faults."""
    firsts = [f.first for seed in range(60) for f in plan(np.random.default_rng(seed), _runs(20), MINUTE, 0.05, KINDS)]
    counts, _ = np.histogram(firsts, bins=10, range=(0, 20 * 1440))
    assert counts / len(firsts) == pytest.approx(np.full(10, 0.1), abs=0.04)


def test_kinds_come_in_equal_parts() -> None:
    """No kind comes more than once more often than another."""
    faults = plan(np.random.default_rng(3), _runs(30), MINUTE, 0.1, KINDS)
    counts = [sum(fault.kind == kind for fault in faults) for kind in KINDS]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) > 20


def test_too_many_faults_are_refused() -> None:
    """A machine that runs a tenth of the time cannot be faulty half of the time; the message says what to do."""
    runs = np.tile(np.arange(1000) < 100, 10)
    for overlap in (False, True):
        with pytest.raises(SourceError, match=r"1000.*Lower anomaly_rate"):
            plan(np.random.default_rng(0), runs, MINUTE, 0.5, KINDS, overlap=overlap)


def test_no_rate_no_faults() -> None:
    """A rate of 0 plans nothing."""
    assert plan(np.random.default_rng(0), _runs(10), MINUTE, 0.0, KINDS) == []


def test_short_running_stretches_end_in_an_answer() -> None:
    """Where the machine runs ten minutes at a time no fault of thirty fits, but overlapping ones are cut to fit."""
    runs = np.tile(np.arange(20) < 10, 30)
    faults = plan(np.random.default_rng(0), runs, MINUTE, 0.3, KINDS, overlap=True)
    assert (_hits(faults, len(runs)) > 0).sum() == 180
    with pytest.raises(SourceError, match="do not fit"):
        plan(np.random.default_rng(0), runs, MINUTE, 0.3, KINDS)


def test_severity_grows_to_its_peak() -> None:
    """A fault of six rows that grows for half of them climbs in thirds; a gradual one climbs to its end."""
    assert Fault(0, 6, "wear", peak=0.6, growth=0.5).severity() == pytest.approx([0.2, 0.4, 0.6, 0.6, 0.6, 0.6])
    assert Fault(0, 3, "wear", peak=0.9, growth=1.0).severity() == pytest.approx([0.3, 0.6, 0.9])


def test_gradual_kinds_grow_to_their_end() -> None:
    """Kinds named gradual grow all along, others for a third to a half; peaks lie between 0.4 and 1."""
    faults = plan(np.random.default_rng(4), _runs(60), MINUTE, 0.1, KINDS, gradual=("wear",))
    assert {fault.growth for fault in faults if fault.kind == "wear"} == {1.0}
    assert all(1 / 3 <= fault.growth <= 1 / 2 for fault in faults if fault.kind != "wear")
    assert all(0.4 <= fault.peak <= 1 for fault in faults)


def test_damage_follows_its_formula() -> None:
    """At severity ½ and 1, factor 3 and shift 10 turn 4 into 4·2+5 and 4·3+10; other rows and sensors stay."""
    kind = FaultKind(description="x", effects={"a": Effect(factor=3, shift=10)})
    machine = AssetType(
        name="m", step=MINUTE, sensors={"a": Sensor(unit="A"), "b": Sensor(unit="A")}, faults={"x": kind}
    )
    values = {"a": np.full(4, 4.0), "b": np.full(4, 4.0)}
    damaged = damage(values, [Fault(1, 2, "x", peak=1.0, growth=1.0)], machine, np.random.default_rng(0))
    assert damaged["a"].tolist() == [4, 13, 22, 4]
    assert damaged["b"].tolist() == [4, 4, 4, 4]
    assert values["a"].tolist() == [4, 4, 4, 4]


def test_damage_makes_restless() -> None:
    """Extra noise of 5 shows as a standard deviation of 5 · severity."""
    kind = FaultKind(description="x", effects={"a": Effect(noise=5)})
    machine = AssetType(name="m", step=MINUTE, sensors={"a": Sensor(unit="A")}, faults={"x": kind})
    flat = {"a": np.zeros(20_000)}
    damaged = damage(flat, [Fault(0, 20_000, "x", peak=0.5, growth=1e-9)], machine, np.random.default_rng(0))
    assert damaged["a"].std() == pytest.approx(2.5, rel=0.03)
