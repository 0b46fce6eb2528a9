"""Which plug-ins the contract tests look at: all that are installed, or those of one folder alone.

WHEELTAPPER_PLUG_INS=my_plugins python -m pytest tests/contracts
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wheeltapper.plugins import Kind, PlugIns

FOLDER = os.environ.get("WHEELTAPPER_PLUG_INS", "")
PLUG_INS = PlugIns(Path(FOLDER).resolve() if FOLDER else None)
of_the_package = pytest.mark.skipif(FOLDER != "", reason="asks what the package has; a folder of plug-ins is tested")


def names(kind: Kind) -> list[str]:
    """List the plug-ins of a kind that are tested."""
    return PLUG_INS.names_in_folder(kind) if FOLDER else PLUG_INS.names(kind)
