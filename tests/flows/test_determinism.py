"""The same plant, data and seed give the same figures and the same bundles, also for two runs at once."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow  # real servers and processes


@pytest.mark.long
def test_two_runs_at_once_are_one_run(bare_home: Any, undisturbed: Any) -> None:
    """Two runs start at the same moment in a new home: one waits, and both end like a single run elsewhere."""
    first, second = bare_home.start("run"), bare_home.start("run")
    ended = [bare_home.nursery.wait(started) for started in (first, second)]
    assert [(end.code, end.err) for end in ended] == [(0, ""), (0, "")]
    assert sum("waiting for it" in end.out for end in ended) == 1
    assert bare_home.everything() == undisturbed.everything()
