"""Data sets: public ones to try plants on, and the files of one that was downloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wheeltapper.datasets import RECORDED, DataSet, Fetched


def show_datasets(out: Console, sets: Mapping[str, DataSet], folders: Mapping[str, Path | None]) -> None:
    """List public data sets; ``folders`` holds the folder of each that is on this machine."""
    table = Table(box=None, pad_edge=False)
    for header in ("name", "plant", "licence", "data", "what it is"):
        table.add_column(header)
    for name, dataset in sets.items():
        state = "here" if folders[name] else "by hand" if dataset.by_hand else "not here"
        table.add_row(name, dataset.plant, dataset.licence, state, escape(dataset.title))
    out.print(table)
    out.print("[dim]To download one: wheeltapper datasets fetch NAME[/]")


def show_fetched(out: Console, dataset: DataSet, files: Sequence[Fetched], folder: Path) -> None:
    """List a data set's files with their checksums; those that could not be compared are named as such."""
    for file in files:
        out.print(f"{file.sha256}  {escape(file.name)}  [dim]{file.state}[/]")
    new = sum(file.state == "seen for the first time" for file in files)
    if new:
        record = escape(str(folder / dataset.folder / RECORDED))
        out.print(
            f"No checksum was published for {new} of these {len(files)} files, so they could not be compared. Their "
            f"checksums are now recorded in {record}. If you can, compare them with those of another download."
        )
    page, plant = escape(dataset.page), escape(dataset.plant)
    out.print(f"Licence {escape(dataset.licence)}; see {page}. Next: wheeltapper run {plant}")
