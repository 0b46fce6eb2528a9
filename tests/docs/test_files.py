"""Every link leads somewhere, every file that is named exists, and nothing tells of the machine it was written on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.reading import DOCUMENTS, ROOT, blocks, prose, section, tracked_texts
from wheeltapper.plugins import INSTALLED, KINDS

LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")
NAMED = re.compile(r"`((?:\./)?[\w.-]+(?:/[\w.-]+)*/(?:[\w-]+\.\w+)?|[\w-]+\.(?:py|md|toml|yaml|txt|svg))`")
OF_THE_READER = ("my_plant/", "my_plugins/", ".venv/", ".wheeltapper/", "../shared/")
IN_THE_HOME = ("store/", "mlartifacts/", "prefect/", "reports/", "logs/", "live/", "watched/")
NOT_THERE = ("predictors/", "alerts/")

MACHINE_PATH = re.compile(r"(?<![\w.:/~<{)\]*-])/(?:home|Users|root|work|opt|mnt|var/folders)/\w")
REGISTRY = re.compile(
    r"(?:pypi\.(?:org|python)|pythonhosted\.org|/sim[p]le/|index[-]url|artifactory|find-links)", re.IGNORECASE
)

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


@every_document
def test_links_lead_somewhere(path: Path) -> None:
    """A relative link names a file, and after # one of its headings."""
    for target, anchor in LINK.findall(prose(path)):
        file = (path.parent / target) if target else path
        assert file.exists(), target
        if anchor:
            assert anchor[1:] in _anchors(file), f"{target}{anchor}"


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_document
def test_files_that_are_named_exist(path: Path) -> None:
    """A path in the text is there, from the repository's root or beside the documents."""
    for name in NAMED.findall(prose(path)):
        if (
            name.startswith(OF_THE_READER)
            or (path.name == "commands.md" and name in IN_THE_HOME)
            or (path.name == "design.md" and name in NOT_THERE)
        ):
            continue
        places = (ROOT, ROOT / "wheeltapper", ROOT / "tests", path.parent)
        assert any((place / name).exists() for place in places), f"{path.name} names {name}"


def test_what_is_said_to_be_missing_is_missing() -> None:
    """A folder that 'What is not there yet' names is not there; the day that it comes, the sentence goes."""
    absent_folders = re.findall(r"no `([a-z]+/)`", section(ROOT / "docs" / "design.md", "What is not there yet"))
    assert sorted(absent_folders) == sorted(NOT_THERE)
    assert not [name for name in absent_folders if (ROOT / "wheeltapper" / name).exists()]


def test_the_list_of_plants_is_the_folder() -> None:
    """Every plant of conf/ and of the folders in it stands in docs/your-plant.md once."""
    page = (ROOT / "docs" / "your-plant.md").read_text("utf-8")
    rows = re.findall(r"^\| \[`([\w/]+)`\]\(\.\./conf/\1\.yaml\)", page, re.MULTILINE)
    conf = ROOT / "conf"
    assert sorted(rows) == sorted(path.relative_to(conf).with_suffix("").as_posix() for path in conf.rglob("*.yaml"))


def test_the_list_of_plug_ins_is_the_folders() -> None:
    """Every plug-in stands in docs/extending.md once."""
    rows = re.findall(r"^\| `(\S+)/` \| `(\w+)` \|", (ROOT / "docs" / "extending.md").read_text("utf-8"), re.MULTILINE)
    folders = {kind: kind.package.removeprefix("wheeltapper.").replace(".", "/") for kind in KINDS}
    assert rows == [(folder, name) for kind, folder in folders.items() for name in INSTALLED.names(kind)]


def test_no_path_of_a_machine_and_no_registry() -> None:
    """No text file of the repository names a folder of the machine that it was written on, or a package index."""
    this_file = Path(__file__)
    leaks = []
    for path in tracked_texts():
        if path == this_file:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if MACHINE_PATH.search(line) or REGISTRY.search(line):
                leaks.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert not leaks, "\n".join(leaks)


def test_a_path_of_a_machine_would_be_found() -> None:
    """The pattern of the test above finds what it is there for, and leaves web addresses and fractions alone."""
    assert MACHINE_PATH.search("see /home/ada/wheeltapper")
    assert MACHINE_PATH.search('"path": "/root/house/conf"')
    assert not MACHINE_PATH.search("https://example.org/home/page")
    assert not MACHINE_PATH.search("wheeltapper/home/x")
    assert REGISTRY.search("--find-links something")


def test_shell_blocks_are_called_sh() -> None:
    """A block of another name would not be checked."""
    languages = {"sh", "text", "csv", "yaml", "python"}
    for path in DOCUMENTS:
        named = re.findall(r"^```(\w*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) - {""} <= languages, path.name
        assert blocks(path, "") == [], f"{path.name} has a block without a language"
