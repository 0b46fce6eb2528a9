"""The documents: their code blocks, links and names of files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    """Return the code blocks of one language."""
    code_blocks = _BLOCK.finditer(path.read_text(encoding="utf-8"))
    return [match["text"] for match in code_blocks if match["language"] == language]


def plug_in_files() -> dict[str, str]:
    """Return the plug-ins that docs/extending.md shows: path below ``my_plugins/`` → content."""
    files = {}
    for block in blocks(ROOT / "docs" / "extending.md", "python"):
        first, _, rest = block.partition("\n")
        files[first.removeprefix("# my_plugins/")] = rest
    return files


def write_plug_ins(folder: Path) -> Path:
    """Write these files below a folder, and return it."""
    for name, text in plug_in_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def prose(path: Path) -> str:
    """Return a document without its code blocks."""
    return _BLOCK.sub("", path.read_text(encoding="utf-8"))


def section(path: Path, heading: str) -> str:
    """Return what stands under a heading of the second level."""
    _, mark, rest = path.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert mark, f"{path.name} has no section '{heading}'"
    return rest.partition("\n## ")[0]


def tracked_texts() -> list[Path]:
    """Return every text file that belongs to the repository, committed or not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8000]]
