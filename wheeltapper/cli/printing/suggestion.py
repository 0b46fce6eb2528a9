"""Suggestion: options with which a source can be read, to copy into the plant's YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape


def show_suggestion(out: Console, suggestion: Mapping[str, Any]) -> None:
    """Show the options as YAML, each with its reason, and how many rows they can read."""
    origin = escape(suggestion["origin"])
    out.print(f"\nThese options fit [bold]{origin}[/]. Copy them into the plant's YAML:\n")
    lines = [
        (f"    {name}: {_in_yaml(value)}", suggestion["because"].get(name, ""))
        for name, value in suggestion["options"].items()
    ]
    width = min(60, max(len(line) for line, _ in lines))
    out.print(f"source:\n  {suggestion['source']}:", markup=False)
    for line, reason in lines:
        out.print(f"{line:<{width}}  # {reason}" if reason else line, markup=False)
    for note in suggestion["notes"]:
        out.print(f"  # {note}", markup=False)
    out.print(f"\n{escape(suggestion['trial'])}")


def _in_yaml(value: Any) -> str:
    """Write an option's value so that it can be copied."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
    return str(text).removesuffix("\n").removesuffix("\n...")
