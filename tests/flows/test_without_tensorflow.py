"""Nobody waits for TensorFlow who does not use it: its import takes seconds and hundreds of MiB."""

from __future__ import annotations

import pytest

from tests.flows.conftest import Home, LineHome

pytestmark = pytest.mark.slow  # real processes

HEAVY = {"tensorflow", "keras"}


def test_a_run_without_networks_does_not_import_it(line_plant: LineHome) -> None:
    """A plant whose candidate is a projection runs from readings to the report."""
    ended = line_plant.run("run")
    assert ended.code in (0, 1), ended
    assert "wheeltapper.detectors.pca_residual" in ended.modules
    assert ended.modules.isdisjoint(HEAVY)


@pytest.mark.parametrize("command", ["plants", "check PLANT", "leaderboard PLANT --json", "alarms PLANT"])
def test_a_command_that_looks_does_not_import_it(undisturbed: Home, command: str) -> None:
    """Looking is quick, on a plant with networks or without."""
    arguments = [str(undisturbed.plant) if word == "PLANT" else word for word in command.split()]
    ended = undisturbed.nursery.run(undisturbed.folder, *arguments)
    assert ended.code == 0, ended
    assert ended.modules
    assert ended.modules.isdisjoint(HEAVY)
