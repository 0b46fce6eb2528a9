"""A folder is the registry: names come from file names, and a typing mistake gets its near miss."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from wheeltapper import plugins
from wheeltapper.detectors import Detector
from wheeltapper.errors import ConfigError


@pytest.fixture
def plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of plug-ins that belongs to this test alone, importable as ``wheeltapper.gauges``."""
    package = tmp_path / "gauges"
    package.mkdir()
    (package / "__init__.py").write_text("class Gauge: ...\n")
    monkeypatch.setattr(plugins, "_ROOT", tmp_path)
    monkeypatch.setattr("wheeltapper.__path__", [str(tmp_path)])
    for name in [one for one in sys.modules if one.startswith("wheeltapper.gauges")]:
        monkeypatch.delitem(sys.modules, name)
    yield package
    for name in [one for one in sys.modules if one.startswith("wheeltapper.gauges")]:
        del sys.modules[name]


def test_files_are_listed_without_being_imported(plug_ins: Path) -> None:
    """A file that would fail on import is listed; what begins with an underscore is no plug-in."""
    (plug_ins / "steam.py").write_text("raise RuntimeError('imported')\n")
    (plug_ins / "air.py").write_text("")
    (plug_ins / "_shared.py").write_text("")
    assert plugins.names("gauges") == ["air", "steam"]


def test_the_one_class_of_a_file_is_found(plug_ins: Path) -> None:
    """Imported classes, private ones and those of another kind do not count."""
    (plug_ins / "steam.py").write_text(
        "from wheeltapper.gauges import Gauge\nclass _Base(Gauge): ...\nclass Steam(_Base): ...\nclass Other: ...\n"
    )
    base = plugins.door("gauges").Gauge
    assert plugins.load_class("gauges", "steam", base).__name__ == "Steam"


@pytest.mark.parametrize(("classes", "count"), [("", 0), ("class A(Gauge): ...\nclass B(Gauge): ...\n", 2)])
def test_none_or_two_classes_are_refused(plug_ins: Path, classes: str, count: int) -> None:
    """One plug-in a file, or nobody knows which one the YAML means."""
    (plug_ins / "steam.py").write_text("from wheeltapper.gauges import Gauge\n" + classes)
    with pytest.raises(ConfigError, match=rf"gauges/steam\.py must hold exactly one public Gauge; it holds {count}"):
        plugins.load_class("gauges", "steam", plugins.door("gauges").Gauge)


@pytest.mark.parametrize(
    ("folder", "name", "kind", "meant"),
    [
        ("assets", "pmp", "asset type", "pump"),
        ("features/sets", "roling", "feature set", "rolling"),
        ("detectors", "isolation_forrest", "detector", "isolation_forest"),
        ("sources", "simulater", "source", "simulator"),
    ],
)
def test_a_typing_mistake_gets_its_near_miss(folder: str, name: str, kind: str, meant: str) -> None:
    """The message says what kind of thing was looked for, what there is, and what was probably meant."""
    with pytest.raises(ConfigError) as caught:
        plugins.load_module(folder, name)
    message = str(caught.value)
    assert message.startswith(f"no {kind} named '{name}'; found [")
    assert message.endswith(f" Did you mean '{meant}'?")


def test_a_path_is_not_a_plug_in() -> None:
    """A name from YAML never leaves its folder."""
    for name in ("../config", "__init__", "_rows", "a.b"):
        with pytest.raises(ConfigError, match="no detector named"):
            plugins.load_class("detectors", name, Detector)  # type: ignore[type-abstract]


def test_loading_a_plant_stays_light() -> None:
    """The tools that take seconds to import are not touched by checking a plant's plug-ins."""
    heavy = "tensorflow", "sklearn", "mlflow", "prefect", "great_expectations", "deltalake", "matplotlib", "tsfresh"
    code = (
        "import sys; from wheeltapper import config; config.load('pump_station'); config.load('skab');"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
