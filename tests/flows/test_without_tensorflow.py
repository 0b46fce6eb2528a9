"""Nobody waits for TensorFlow who does not use it: its import takes seconds and hundreds of MiB."""

from __future__ import annotations

import pytest

from tests.flows.conftest import Ended, Home

pytestmark = pytest.mark.slow  # real processes

HEAVY = {"tensorflow", "keras"}


def test_a_run_without_networks_does_not_import_it(first_run: tuple[Home, Ended]) -> None:
    """A plant whose candidates are a forest and a projection runs from readings to the report."""
    _, ended = first_run
    assert "wheeltapper.detectors.isolation_forest" in ended.modules
    assert ended.modules.isdisjoint(HEAVY)


@pytest.mark.parametrize("command", ["plants", "check PLANT", "leaderboard PLANT --json", "alarms PLANT"])
def test_a_command_that_looks_does_not_import_it(undisturbed: Home, command: str) -> None:
    """Looking is quick, on a plant with networks or without."""
    arguments = [str(undisturbed.plant) if word == "PLANT" else word for word in command.split()]
    ended = undisturbed.nursery.run(undisturbed.folder, *arguments)
    assert ended.code == 0, ended
    assert ended.modules
    assert ended.modules.isdisjoint(HEAVY)
