"""Every example in a docstring of the library gives what it shows."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.reading import ROOT

HEAVY = ("tensorflow", "prefect", "mlflow", "great_expectations", "tsfresh")
"""Tools that take seconds to import; an example must not need one."""


def _name(path: Path) -> str:
    """Return the module's name: ``wheeltapper/names.py`` is ``wheeltapper.names``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = [
    _name(path) for path in sorted((ROOT / "wheeltapper").rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")
]


def test_there_are_examples() -> None:
    """A changed folder or prompt would leave nothing to run."""
    assert len(MODULES) >= 20


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    """What a docstring shows is what the function returns."""
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.attempted > 0
    assert results.failed == 0


def test_modules_with_examples_need_no_heavy_tool() -> None:
    """Importing all of them in a fresh process loads none of the slow tools."""
    code = f"import importlib, sys\nfor name in {MODULES!r}: importlib.import_module(name)\n"
    code += f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.strip() == "[]"
