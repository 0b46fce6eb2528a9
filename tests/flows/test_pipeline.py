"""The main job from end to end: its output and the files that it leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from wheeltapper import tables

pytestmark = pytest.mark.slow  # real servers and processes


def test_the_real_program_ends_well_and_says_nothing_on_stderr(second_run: Any) -> None:
    """A good run: exit code 0, a leaderboard and an explained alarm, no warning, no progress bar, no log line."""
    ended, _, _ = second_run
    assert (ended.code, ended.err) == (0, "")
    for part in ("Leaderboard", "k_sigma", "Verdict", "promote", "Alarm", "report.html"):
        assert part in ended.out
    for noise in ("Traceback", "Warning", "%|", "prefect.", "mlflow.", "INFO", "ERROR"):
        assert noise not in ended.out


def test_an_alarm_says_how_rare_it_is(undisturbed: Any) -> None:
    """The calibration's tail is kept in the bundle that went live, and stands in every alarm's sentence."""
    explanations = undisturbed.store.read(tables.ALARMS)["explanation"]
    assert (
        len(explanations)
        and explanations.str.contains(r"\(in normal running (?:less than )?once in [\d.,]+ \w+\): ").all()
    )


def test_another_plant_of_the_same_name_is_refused(undisturbed: Any, tmp_path: Path) -> None:
    """Before a reading is stored: the first plant's tables stay as they are."""
    before = undisturbed.versions()
    other = tmp_path / undisturbed.plant.name
    other.write_text(undisturbed.plant.read_text().replace("assets: 2", "assets: 1"))
    ended = undisturbed.nursery.run(undisturbed.folder, "ingest", str(other))
    assert (ended.code, "rename one of the two files" in ended.err) == (2, True), ended
    assert undisturbed.versions() == before


def test_the_champion_is_on_record(undisturbed: Any) -> None:
    """The live model in the registry is that of the ledger's last entry, and every run has finished."""
    from wheeltapper.decisions import ledger

    models = undisturbed.models()
    assert ledger.live(undisturbed.store, "detect")["bundle"] == models["live"]["champion"]
    assert models["versions"] == [(1, models["live"]["champion"])]
    assert {status for _, status in models["runs"]} == {"FINISHED"}
    assert len({key for key, _ in models["runs"]}) == len(models["runs"])


def test_a_verdict_keeps_what_it_was_made_of(undisturbed: Any) -> None:
    """The ledger has every gate, and the smallest fault found of each sensor."""
    from wheeltapper.decisions import ledger

    gates = {gate["name"]: gate for gate in ledger.live(undisturbed.store, "detect")["gates"]}
    assert {"finds_small_faults", "label_rule", "duplicate_target", "keeps_budget"} <= set(gates)
    assert any(line.startswith("vibration, stuck: ") for line in gates["finds_small_faults"]["details"])


@contextmanager
def changed_byte(path: Path) -> Iterator[None]:
    """Change the byte in the middle of a file, and change it back."""
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    try:
        yield
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("store/tiny/features/**/*.parquet", "part-"),
        ("mlartifacts/**/bundle.json", "bundle.json"),
    ],
)
def test_a_changed_byte_is_refused_by_name(undisturbed: Any, pattern: str, says: str) -> None:
    """One bit of a table or of the live bundle flips: nothing is scored or trained, and verify names the file."""
    live = undisturbed.models()["live"]["champion"]
    files = [path for path in sorted(undisturbed.folder.glob(pattern)) if _is_live(path, live)]
    before = undisturbed.versions()
    with changed_byte(files[-1]):
        for command in ("score", "train"):
            ended = undisturbed.run(command)
            assert ended.code == 3, ended
            assert says in ended.err
            assert "Traceback" not in ended.err + ended.out
        verified = undisturbed.nursery.run(undisturbed.folder, "store", "verify")
        assert verified.code == 1
        assert says in verified.out
    assert undisturbed.versions() == before
    assert undisturbed.nursery.run(undisturbed.folder, "store", "verify").code == 0


def _is_live(path: Path, bundle: str) -> bool:
    from wheeltapper import manifest

    return path.suffix == ".parquet" or manifest.verify(path.parent) == bundle
