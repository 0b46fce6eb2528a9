"""Relevant features: what says something about the target is kept, noise is not, and only train is looked at."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wheeltapper.errors import ConfigError, DataError
from wheeltapper.features.relevance import relevant

N = 120
TARGET = pd.Series(np.arange(N) % 3 == 0)
TRAIN = pd.Series(["train"] * N)


def table(n: int = N, *, minutes: int = 10, seed: int = 0) -> pd.DataFrame:
    """Return windows of nine minutes, one every ``minutes``: a signal, a slope, a flag, forty columns of noise."""
    generator = np.random.default_rng(seed)
    start = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(n) * minutes, unit="min")
    hot = np.arange(n) % 3 == 0
    fixed = pd.DataFrame({"asset_id": "pump-01", "window_start": start, "window_end": start + pd.Timedelta("9min")})
    fixed["signal"] = hot * 2.0 + generator.normal(size=n)
    fixed["slope"] = np.arange(n) + generator.normal(size=n)
    fixed["flag"] = hot ^ (generator.random(n) < 0.1)
    fixed["flag"] = fixed["flag"].astype(float)
    fixed["constant"] = 1.0
    noise = pd.DataFrame(generator.normal(size=(n, 40)), columns=[f"noise_{place}" for place in range(40)])
    return pd.concat([fixed, noise], axis=1)


def test_what_follows_the_class_is_kept() -> None:
    """Of 44 features those two that follow the class are left, in the order of the columns."""
    assert relevant(table(), TARGET, 0.05, part=TRAIN) == ("signal", "flag")


@pytest.mark.parametrize("written", ["text", "number"])
def test_however_the_class_is_written(written: str) -> None:
    """Texts and whole numbers are classes too."""
    target = TARGET.map({True: "bearing", False: "none"}) if written == "text" else TARGET.astype(int) + 4
    assert relevant(table(), target, 0.05, part=TRAIN) == ("signal", "flag")


def test_what_follows_a_number_is_kept() -> None:
    """Against a target that rises, only the feature that rises is left."""
    assert relevant(table(), pd.Series(np.arange(N) / 7.0), 0.01, part=TRAIN) == ("slope",)


def test_only_train_rows_are_looked_at() -> None:
    """A feature that says everything outside train and nothing inside is not kept; those rows may say anything."""
    rows, part = table(2 * N), pd.Series(["train"] * N + ["validate"] * (N // 2) + ["test"] * (N // 2))
    target = pd.concat([TARGET, TARGET], ignore_index=True)
    rows.loc[N:, "noise_7"] = target[N:] * 100.0
    assert "noise_7" in relevant(rows, target, 0.05, part=pd.Series(["train"] * 2 * N))
    kept = relevant(rows, target, 0.05, part=part)
    assert kept == relevant(rows[:N], target[:N], 0.05, part=part[:N])
    assert "noise_7" not in kept
    rows.loc[N:, ["signal", "flag"]] = np.nan
    assert relevant(rows, target.where(part == "train", ~target), 0.05, part=part) == kept


def test_windows_that_share_readings_count_once() -> None:
    """Each window copied ten times, a minute apart, is not ten times the evidence."""
    rows = table(20, seed=3)
    rows["weak"] = TARGET[:20] * 0.9 + np.random.default_rng(5).normal(size=20)
    target, part = TARGET[:20], TRAIN[:20]
    copies = [
        rows.assign(**{name: rows[name] + pd.Timedelta(minutes=late) for name in ("window_start", "window_end")})
        for late in range(10)
    ]
    many = pd.concat(copies, ignore_index=True)
    tenfold = relevant(many, pd.concat([target] * 10, ignore_index=True), 0.05, part=pd.Series(["train"] * 200))
    alone = relevant(rows, target, 0.05, part=part)
    assert "weak" not in alone
    assert tenfold == alone


def test_assets_do_not_share_readings() -> None:
    """Windows of another asset at the same time are witnesses of their own."""
    rows = table(30)
    other = table(30, seed=1).assign(asset_id="pump-02")
    both = pd.concat([rows, other], ignore_index=True)
    target = pd.concat([TARGET[:30]] * 2, ignore_index=True)
    with pytest.raises(DataError, match="got 9 windows"):
        relevant(rows[:9], TARGET[:9], 0.05, part=TRAIN[:9])
    keep = [*range(9), *range(30, 39)]
    assert isinstance(relevant(both.loc[keep], target.loc[keep], 0.05, part=pd.Series("train", index=keep)), tuple)


def test_a_level_asks_for_more() -> None:
    """The stricter the level, the fewer features, and never others."""
    rows = table()
    for place in range(10):
        rows[f"faint_{place}"] = TARGET * 0.1 * place + np.random.default_rng(place).normal(size=N)
    strict, loose = (set(relevant(rows, TARGET, level, part=TRAIN)) for level in (0.001, 0.5))
    assert strict < loose


def test_as_tsfresh_selects() -> None:
    """On windows that share nothing it is tsfresh's select_features, which allows for tests that hang together."""
    from tsfresh import select_features

    rows = table()
    for place in range(20):
        rows[f"faint_{place}"] = TARGET * 0.5 + np.random.default_rng(place).normal(size=N)
    features = rows.drop(columns=["asset_id", "window_start", "window_end"])
    expected, too_many = (
        set(select_features(features, TARGET.astype(int), n_jobs=0, fdr_level=0.05, hypotheses_independent=free))
        for free in (False, True)
    )
    assert set(relevant(rows, TARGET, 0.05, part=TRAIN)) == expected
    assert expected < too_many


def test_blanks_do_not_stop_it() -> None:
    """A feature with a few blanks is tested, one with hardly a value is not relevant, unknown targets are left out."""
    rows = table()
    rows.loc[::9, "signal"] = np.nan
    rows.loc[5:, "flag"] = np.nan
    rows["never"] = np.nan
    target = TARGET.astype(object)
    target[::10] = None
    assert relevant(rows, target, 0.05, part=TRAIN) == ("signal",)


def test_nothing_may_be_relevant() -> None:
    """Noise against noise keeps nothing, and says so by an empty answer."""
    rows = table().drop(columns=["signal", "flag", "slope"])
    assert relevant(rows, TARGET, 0.01, part=TRAIN) == ()


def test_one_class_alone_is_refused() -> None:
    """Without a difference in the target nothing can follow it."""
    with pytest.raises(DataError, match=r"120 windows with the targets \['False'\]"):
        relevant(table(), pd.Series([False] * N), 0.05, part=TRAIN)


@pytest.mark.parametrize("level", [0, 1, 5])
def test_a_level_is_a_share(level: float) -> None:
    """Five per cent is 0.05."""
    with pytest.raises(ConfigError, match=f"between 0 and 1, such as 0.05; got {level}"):
        relevant(table(), TARGET, level, part=TRAIN)
