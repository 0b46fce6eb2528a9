"""A small plant for the tests of live sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wheeltapper import config
from wheeltapper.config import Plant, PlugIn
from wheeltapper.sources import live


def plant(folder: Path = Path(), more: str = "", step: str = "1s") -> Plant:
    """Make a plant with the sensors flow and temp, and the category mode."""
    text = (
        f"asset_type: {{step: {step}, sensors: {{flow: {{unit: m³/h}}, temp: {{unit: °C}}}}, "
        "categories: {mode: [eco, full]}}\n"
        f"source: simulator\nfeatures: [latest]\ncandidates: [lof]\n{more}"
    )
    return config.parse(text, name="tiny", folder=folder, where="tiny.yaml")


def feed(kept: Any, memory: Path | None = None, **options: Any) -> Any:
    """Open a feed of this plant that keeps what it refuses in the list ``kept``."""

    async def refuse(topic: str, payload: bytes, why: str) -> None:
        kept.append((topic, payload, why))

    return live.build(PlugIn(name="mqtt", options=options)).open(plant(), refuse, memory)
