"""Every example in the documents does what it says: YAML loads and reads data, Python runs."""

from __future__ import annotations

import ast
import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.reading import DOCUMENTS, ROOT, blocks, plug_in_files, prose, write_plug_ins
from wheeltapper import check_plant, plants
from wheeltapper.errors import ConfigError
from wheeltapper.features.plan import FeaturePlan
from wheeltapper.plugins import KINDS
from wheeltapper.readings.survey.survey import survey
from wheeltapper.training import search_options

YOUR_PLANT = ROOT / "docs" / "your-plant.md"
EXTENDING = ROOT / "docs" / "extending.md"


@pytest.fixture
def compressors(tmp_path: Path) -> Path:
    """The plant of docs/your-plant.md with its readings: two files, each with the three rows of the page."""
    plant, *_ = blocks(YOUR_PLANT, "yaml")
    (rows,) = blocks(YOUR_PLANT, "csv")
    readings = tmp_path / "my_plant" / "readings"
    readings.mkdir(parents=True)
    for name in ("compressor_1", "compressor_2"):
        (readings / f"{name}.csv").write_text(rows, encoding="utf-8")
    path = tmp_path / "my_plant" / "compressors.yaml"
    path.write_text(plant, encoding="utf-8")
    return path


def test_the_documented_plant_loads(compressors: Path) -> None:
    """Its YAML is understood to the last key, and all its plug-ins are built."""
    plant = check_plant.load(str(compressors))
    assert list(plant.asset_type.sensors) == ["pressure", "current", "oil_temperature"]
    assert FeaturePlan.of(plant).columns


def test_the_documented_plant_reads_the_documented_rows(compressors: Path) -> None:
    """`wheeltapper check`: two assets, all six rows kept, and Berlin's 06:00 in March is 05:00 UTC."""
    surveyed = survey(plants.load(str(compressors)))
    assert sorted(surveyed["assets"]) == ["compressor_1", "compressor_2"]
    assert surveyed["rows"] == 6
    assert not surveyed["reasons"]
    assert "2026-03-02 05:00" in str(surveyed["first"]).replace("T", " ")


@pytest.mark.slow
def test_check_prints_it(compressors: Path) -> None:
    """The command of the page ends well, from a folder that is not the checkout."""
    environment = os.environ | {"WHEELTAPPER_HOME": str(compressors.parent / "home")}
    command = [sys.executable, "-m", "wheeltapper.cli", "check", str(compressors), "--json"]
    done = subprocess.run(command, cwd=compressors.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 6


def test_a_typing_mistake_is_told_with_its_near_miss(compressors: Path) -> None:
    """A misspelt key gives the message that the page quotes."""
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
        assert all(
            len(search_options.of(plant, candidate)) > 1 for candidate in plant.candidates if plant.search is not None
        )


def test_yaml_in_a_sentence_is_yaml() -> None:
    """`candidates: [mean_square, lof]` in the text is a mapping."""
    mappings = re.findall(r"`((?:candidates|features|asset_type): [^`]+)`", prose(EXTENDING))
    assert len(mappings) >= 3
    for text in mappings:
        assert isinstance(yaml.safe_load(text), dict), text


def test_the_worked_example_of_judging() -> None:
    """Every figure of docs/judging.md is what the code returns."""
    code = "\n".join(block for block in blocks(ROOT / "docs" / "judging.md", "python"))
    example = doctest.DocTestParser().get_doctest(code, {}, "judging", "docs/judging.md", 0)
    printed: list[str] = []
    outcome = doctest.DocTestRunner(verbose=False).run(example, out=printed.append)
    assert outcome.attempted > 30
    assert outcome.failed == 0, "".join(printed)


def test_the_gates_are_all_explained() -> None:
    """Every gate of the code stands in the table of docs/judging.md."""
    rooms = [ROOT / "wheeltapper" / room for room in ("evaluation", "selftest")]
    pages = sorted(page for room in rooms for page in room.glob("*.py"))
    defined = [one for page in pages for one in ast.parse(page.read_text(encoding="utf-8")).body]
    functions = [one for one in defined if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")]
    gates = [_gate_name(one) for one in functions if isinstance(one.returns, ast.Name) and one.returns.id == "Gate"]
    explained = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "judging.md").read_text("utf-8"), re.MULTILINE)
    assert gates
    assert sorted(gates) == sorted(explained)


def _gate_name(function: ast.FunctionDef) -> str:
    """Return the name under which a gate is stored: its function's, or the one that the docstring gives."""
    named = re.search(r"The gate's name is ``(\w+)``", ast.get_docstring(function) or "")
    return named[1] if named else function.name


@pytest.fixture
def my_plugins(tmp_path: Path) -> Path:
    """A folder outside the package that holds the files of docs/extending.md."""
    return write_plug_ins(tmp_path / "my_plugins")


def test_each_kind_of_plug_in_has_an_example() -> None:
    """One detector, one feature set, one source, one asset type, one objective, in the sub-folders of their kinds."""
    folders = [str(Path(path).parent) for path in plug_in_files()]
    assert sorted(folders) == sorted(kind.folder for kind in KINDS)


@pytest.mark.slow
def test_the_examples_pass_their_contract_tests(my_plugins: Path) -> None:
    """The command that the page names runs the contract tests on the folder: all green, and each file was tested."""
    assert "`WHEELTAPPER_PLUG_INS=my_plugins python -m pytest tests/contracts`" in prose(EXTENDING)
    files = [
        f"tests/contracts/test_{name}.py" for name in ("detectors", "feature_sets", "sources", "assets", "objectives")
    ]
    command = [sys.executable, "-m", "pytest", *files, "-v", "-p", "no:cacheprovider"]
    environment = os.environ | {"WHEELTAPPER_PLUG_INS": str(my_plugins)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    for path in plug_in_files():
        assert re.search(rf"\[.*{Path(path).stem}.*\] PASSED", done.stdout), path
    assert not re.search(r"\[.*(isolation_forest|rolling|csv_folder|pump(?! station)).*\]", done.stdout), (
        "tests the folder alone"
    )


def test_the_examples_use_public_names_only() -> None:
    """A module or a name with an underscore may change any day."""
    for path, text in plug_in_files().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wheeltapper"):
                parts = [*str(node.module).split("."), *(name.name for name in node.names)]
                assert not [part for part in parts if part.startswith("_") and part != "__future__"], path


def test_the_examples_keep_the_house_style(my_plugins: Path) -> None:
    """Ruff finds nothing in them."""
    ours = 'lint.isort.known-first-party = ["wheeltapper"]'
    # `Objective` describes the methods that it asks for; an answer need not say it again, nor use every argument.
    described = "objectives/*:D102,objectives/*:ARG002"
    options = [
        "--no-cache",
        "--config",
        str(ROOT / "pyproject.toml"),
        "--config",
        ours,
        "--per-file-ignores",
        described,
    ]
    command = [sys.executable, "-m", "ruff", "check", *options, "."]
    done = subprocess.run(command, cwd=my_plugins, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
