"""The README on installation: versions that work together, and the two that must not be newer."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.reading import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIRED = [Requirement(line) for part in (PROJECT["dependencies"], *EXTRAS.values()) for line in part]


def _pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def test_constraints_are_what_the_project_asks_for() -> None:
    """Every version of constraints.txt is one that pyproject.toml allows; else nothing can be installed."""
    pinned = {need.name: (need, _pinned().get(canonicalize_name(need.name))) for need in REQUIRED}
    wrong = [
        f"{need} but =={version}" for need, version in pinned.values() if version and version not in need.specifier
    ]
    assert sum(version is not None for _, version in pinned.values()) > 20
    assert not wrong, wrong


def test_the_two_limits_of_the_readme_are_those_of_the_project() -> None:
    """FastAPI and SQLAlchemy must stay below the versions that the README names."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    bounds = dict(re.findall(r"`(\w+)` must stay below ([\d.]+\d)", text))
    assert set(bounds) == {"fastapi", "sqlalchemy"}
    for need in REQUIRED:
        if need.name in bounds:
            assert f"<{bounds[need.name]}" in str(need.specifier)


def test_the_python_versions_are_those_of_the_project() -> None:
    """The README's 3.11 to 3.13 are `requires-python`."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "Python 3.11, 3.12 or 3.13" in text
    assert PROJECT["requires-python"] == ">=3.11,<3.14"


def _installed_by(target: str) -> list[str]:
    """Return what a make target installs into a new .venv."""
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return re.findall(r"--editable '?([^'\s]+)", planned)


def test_make_run_installs_the_product_only() -> None:
    """`make run` does not install the developers' tools."""
    assert _installed_by("run") == ["."]


@pytest.mark.parametrize("target", ["test", "long", "quick", "check", "format", "docs"])
def test_a_developers_target_installs_the_tools_at_once(target: str) -> None:
    """Product and tools come in one installation; a benchmark's peers never come with them."""
    assert _installed_by(target) == [".[dev]"]
