"""Every example in the documents does what it says: YAML loads and reads data, Python runs."""

from __future__ import annotations

import ast
import doctest
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.docs.reading import DOCUMENTS, ROOT, blocks, prose
from wheeltapper import plants
from wheeltapper.errors import ConfigError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.plugins import DETECTORS, INSTALLED
from wheeltapper.readings.survey.survey import survey
from wheeltapper.training import check_plant, search_options

README = ROOT / "README.md"
EXTENDING = ROOT / "docs" / "extending.md"
SLOW_TO_FIT = ("autoencoder", "isolation_forest", "lof")


@pytest.fixture
def compressors(tmp_path: Path) -> Path:
    """The README's plant with its readings: two files, each with the README's three rows."""
    plant, *_ = blocks(README, "yaml")
    (rows,) = blocks(README, "csv")
    readings = tmp_path / "my_plant" / "readings"
    readings.mkdir(parents=True)
    for name in ("compressor_1", "compressor_2"):
        (readings / f"{name}.csv").write_text(rows, encoding="utf-8")
    path = tmp_path / "my_plant" / "compressors.yaml"
    path.write_text(plant, encoding="utf-8")
    return path


def test_the_readme_s_plant_loads(compressors: Path) -> None:
    """Its YAML is understood to the last key, and all its plug-ins are built."""
    plant = check_plant.load(str(compressors))
    assert list(plant.asset_type.sensors) == ["pressure", "current", "oil_temperature"]
    assert FeaturePlan.of(plant).columns


def test_the_readme_s_plant_reads_the_readme_s_rows(compressors: Path) -> None:
    """`wheeltapper check`: two assets, all six rows kept, and Berlin's 06:00 in March is 05:00 UTC."""
    found = survey(plants.load(str(compressors)))
    assert sorted(found["assets"]) == ["compressor_1", "compressor_2"]
    assert found["rows"] == 6
    assert not found["reasons"]
    assert "2026-03-02 05:00" in str(found["first"]).replace("T", " ")


def test_check_prints_it(compressors: Path) -> None:
    """The command in the README ends well, from a folder that is not the checkout."""
    environment = os.environ | {"WHEELTAPPER_HOME": str(compressors.parent / "home")}
    command = [sys.executable, "-m", "wheeltapper.cli", "check", str(compressors), "--json"]
    done = subprocess.run(command, cwd=compressors.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 6


def test_a_typing_mistake_is_told_with_its_near_miss(compressors: Path) -> None:
    """What the README says of a wrong word."""
    compressors.write_text(compressors.read_text(encoding="utf-8").replace("alarm_budget", "alarm_budjet"), "utf-8")
    with pytest.raises(ConfigError, match="Did you mean 'alarm_budget'"):
        check_plant.load(str(compressors))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_yaml_block_is_a_plant(path: Path) -> None:
    """A block of YAML is a whole plant, or belongs into the plant before it, so that it can be copied."""
    whole = ""
    for block in blocks(path, "yaml"):
        whole = block if "source:" in block else whole + block
        plant = plants.parse(whole, name="example", folder=ROOT, where=path.name)
        assert all(len(search_options.of(plant, one)) > 1 for one in plant.candidates if plant.search is not None)


def test_yaml_in_a_sentence_is_yaml() -> None:
    """`candidates: [mean_square, lof]` in the text is a mapping."""
    found = re.findall(r"`((?:candidates|features|asset_type): [^`]+)`", prose(EXTENDING))
    assert len(found) >= 3
    for text in found:
        assert isinstance(yaml.safe_load(text), dict), text


def test_the_worked_example_of_judging() -> None:
    """Every figure of docs/judging.md is what the code returns."""
    code = "\n".join(block for block in blocks(ROOT / "docs" / "judging.md", "python"))
    example = doctest.DocTestParser().get_doctest(code, {}, "judging", "docs/judging.md", 0)
    said: list[str] = []
    outcome = doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert outcome.attempted > 30
    assert outcome.failed == 0, "".join(said)


def test_the_gates_are_all_explained() -> None:
    """Every gate of the code stands in the table of docs/judging.md."""
    rooms = [ROOT / "wheeltapper" / room for room in ("evaluation", "selftest")]
    pages = sorted(page for room in rooms for page in room.glob("*.py"))
    defined = [one for page in pages for one in ast.parse(page.read_text(encoding="utf-8")).body]
    functions = [one for one in defined if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")]
    asked = [one.name for one in functions if isinstance(one.returns, ast.Name) and one.returns.id == "Gate"]
    explained = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "judging.md").read_text("utf-8"), re.MULTILINE)
    assert asked
    assert sorted(asked) == sorted(explained)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the house with the files of docs/extending.md in it, without detectors that take long to fit."""
    house = tmp_path_factory.mktemp("house")
    skip = shutil.ignore_patterns("__pycache__", "source_cases", *(f"{name}.py" for name in SLOW_TO_FIT))
    for folder in ("wheeltapper", "expectations", "tests/contracts"):
        shutil.copytree(ROOT / folder, house / folder, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", house)
    (house / "tests" / "contracts" / "source_cases").mkdir()
    for path, text in _new_files().items():
        (house / path).write_text(text, encoding="utf-8")
    yield house
    shutil.rmtree(house)


def _new_files() -> dict[str, str]:
    """Return the files of docs/extending.md: path → content."""
    files = {}
    for block in blocks(EXTENDING, "python"):
        first, _, rest = block.partition("\n")
        files[first.removeprefix("# ")] = rest
    return files


def test_each_kind_of_plug_in_has_an_example() -> None:
    """One detector, one feature set, one source with its case, one asset type."""
    folders = [str(Path(path).parent) for path in _new_files()]
    assert sorted(folders) == [
        "tests/contracts/source_cases",
        "wheeltapper/assets",
        "wheeltapper/detectors",
        "wheeltapper/features/sets",
        "wheeltapper/sources",
    ]
    assert not [path for path in _new_files() if (ROOT / path).exists()], "an example hides a file of the house"
    assert set(SLOW_TO_FIT) <= set(INSTALLED.names(DETECTORS))


def test_the_examples_pass_their_contract_tests(extended: Path) -> None:
    """Run tests/contracts in the copy, on the new files only: all green, and each file was tested."""
    names = sorted({Path(path).stem for path in _new_files()})
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/contracts",
        "-v",
        "-p",
        "no:cacheprovider",
        "-k",
        " or ".join(names),
    ]
    environment = os.environ | {"PYTHONPATH": str(extended)}
    done = subprocess.run(command, cwd=extended, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    for name in names:
        assert re.search(rf"\[.*{name}.*\] PASSED", done.stdout), name


def test_the_examples_keep_the_house_style(extended: Path) -> None:
    """Ruff finds nothing in them."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", *_new_files()]
    done = subprocess.run(command, cwd=extended, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
