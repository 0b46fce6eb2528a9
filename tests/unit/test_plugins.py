"""Plug-ins are found in the package, in a plant's folder and by entry points, and mistakes in them are named."""

from __future__ import annotations

import doctest
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wheeltapper import assets, check_plant, config, detectors, plants, plugins, sources
from wheeltapper.detectors import Detector
from wheeltapper.errors import ConfigError
from wheeltapper.features.plan import FeaturePlan, build_set
from wheeltapper.plugins import ASSET_TYPES, DETECTORS, FEATURE_SETS, INSTALLED, KINDS, SOURCES, Kind, PlugIns

ROOT = Path(__file__).parents[2]

FLAT = """
from wheeltapper.detectors import Detector
from wheeltapper.detectors.rows import learn_rows, read_rows


class Flat(Detector):
    def fit(self, rows):
        self.columns_, _ = learn_rows(rows)
        return self

    def score(self, rows):
        return read_rows(self, rows).sum(axis=1) + SIZE
"""

TWICE = """
from wheeltapper.features.columns import Feature
from wheeltapper.features.sets import FeatureSet


class Twice(FeatureSet):
    def columns(self, asset_type):
        return tuple(Feature(f"{sensor}__twice", (sensor,), "level") for sensor in asset_type.sensors)

    def compute(self, stretch, asset_type):
        return {f"{name}__twice": 2 * stretch.sensors[name][stretch.last] for name in asset_type.sensors}
"""

FAN = """
from datetime import timedelta
from wheeltapper.config import AssetType, Sensor

ASSET_TYPE = AssetType(name="fan", step=timedelta(minutes=1), sensors={"load": Sensor(unit="A")})
"""

PLANT = """
plugins: mine
asset_type: fan
source: {csv_folder: {path: data, time_column: time}}
features: [latest, twice]
candidates: [flat, {ensemble: {members: [flat, ecod]}}]
"""


def written(folder: Path, kind: Kind, name: str, text: str) -> Path:
    """Write a plug-in into a folder of plug-ins."""
    path = folder / kind.folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder with a detector, a feature set and an asset type."""
    folder = tmp_path / "mine"
    written(folder, DETECTORS, "flat", FLAT.replace("SIZE", "1"))
    written(folder, FEATURE_SETS, "twice", TWICE)
    written(folder, ASSET_TYPES, "fan", FAN)
    return folder


@pytest.fixture
def plant_file(mine: Path) -> Path:
    """A plant that names the folder."""
    path = mine.parent / "fans.yaml"
    path.write_text(PLANT, encoding="utf-8")
    return path


def test_files_of_a_folder_are_listed_without_being_imported(tmp_path: Path) -> None:
    """A file that would fail on import is listed; what begins with an underscore is no plug-in."""
    written(tmp_path, DETECTORS, "steam", "raise RuntimeError('imported')")
    written(tmp_path, DETECTORS, "_shared", "")
    plug_ins = PlugIns(tmp_path)
    assert plug_ins.names_in_folder(DETECTORS) == ["steam"]
    assert set(plug_ins.names(DETECTORS)) == {"steam", *INSTALLED.names(DETECTORS)}
    assert plug_ins.names(SOURCES) == INSTALLED.names(SOURCES)


def test_a_plant_finds_what_its_folder_holds(plant_file: Path) -> None:
    """Its asset type, feature set and detector, the latter also inside an ensemble, pass the check before work."""
    plant = check_plant.load(str(plant_file))
    assert list(plant.asset_type.sensors) == ["load"]
    assert FeaturePlan.of(plant).columns == ("load", "load__twice")
    ensemble = detectors.build("ensemble", {"members": ["flat", "ecod"]}, plug_ins=plant.plug_ins)
    assert set(ensemble.code) == {"flat"}
    with pytest.raises(ConfigError, match="no detector named 'flat'"):
        detectors.build("flat")


def test_two_folders_may_hold_different_files_of_one_name(tmp_path: Path) -> None:
    """Plants with different folders live in one process, and each gets its own file."""
    for size in "12":
        written(tmp_path / size, DETECTORS, "flat", FLAT.replace("SIZE", size))
    first, second = (detectors.load("flat", PlugIns(tmp_path / size)) for size in "12")
    assert first is not second
    assert detectors.load("flat", PlugIns(tmp_path / "1")) is first


def test_a_changed_file_is_imported_again(tmp_path: Path) -> None:
    """Also where only a helper beside it has changed; the digest changes with it."""
    plug_ins = PlugIns(tmp_path)
    written(tmp_path, DETECTORS, "_size", "SIZE = 1")
    written(tmp_path, DETECTORS, "flat", f"from ._size import SIZE\n{FLAT}")
    before, digest = plug_ins.module(DETECTORS, "flat"), plug_ins.digest(DETECTORS, "flat")
    assert plug_ins.module(DETECTORS, "flat") is before
    written(tmp_path, DETECTORS, "_size", "SIZE = 1 + 1")
    after = plug_ins.module(DETECTORS, "flat")
    assert (before.SIZE, after.SIZE) == (1, 2)
    assert plug_ins.digest(DETECTORS, "flat") != digest


def test_the_package_has_no_digest() -> None:
    """What is Wheeltapper's own is named by its version, and bundles and plans stay as they were."""
    assert INSTALLED.digests(*KINDS) == {}
    assert detectors.build("ensemble").code == {}


def test_one_name_in_two_places_is_refused(tmp_path: Path) -> None:
    """Nobody knows which one the YAML means; the message names both."""
    path = written(tmp_path, DETECTORS, "lof", FLAT)
    with pytest.raises(ConfigError) as refusal:
        PlugIns(tmp_path).names(DETECTORS)
    assert "two plug-ins are the detector 'lof': wheeltapper/detectors/lof.py and" in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_an_objective_that_does_not_exist_is_refused_with_the_others(plant_file: Path) -> None:
    """The check before any work asks after objectives, too."""
    plant_file.write_text(PLANT + "objectives: [detcet]\n", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"fans\.yaml: objectives: no objective named 'detcet'.*Did you mean 'detect'"
    ):
        check_plant.load(str(plant_file))


def test_a_missing_folder_is_refused(plant_file: Path) -> None:
    """The check says so in a line that begins with the plant's file."""
    text = PLANT.replace("plugins: mine", "plugins: nowhere").replace("asset_type: fan", "asset_type: pump")
    plant_file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"fans\.yaml: .*no such folder: .*nowhere"):
        check_plant.load(str(plant_file))


def test_a_misspelt_sub_folder_is_refused(plant_file: Path, mine: Path) -> None:
    """Its files would be silently left out."""
    (mine / "detectors").rename(mine / "detector")
    with pytest.raises(ConfigError, match=r"plugins: .*detector is no kind of plug-in.*Did you mean 'detectors'"):
        check_plant.load(str(plant_file))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("\nclass", "line 2: invalid syntax"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_the_cause(
    plant_file: Path, mine: Path, text: str, cause: str
) -> None:
    """The plant's owner reads which file is wrong, and why."""
    path = written(mine, DETECTORS, "flat", text)
    with pytest.raises(ConfigError) as refusal:
        check_plant.load(str(plant_file))
    assert f"candidates: detector flat: {path} cannot be imported: {cause}" in str(refusal.value)


@pytest.mark.parametrize(("text", "count"), [("", 0), (f"{FLAT}\nclass Other(Flat): ...\n", 2)])
def test_none_or_two_classes_are_refused(tmp_path: Path, text: str, count: int) -> None:
    """One plug-in a file; imported classes and private ones do not count."""
    path = written(tmp_path, DETECTORS, "flat", text)
    with pytest.raises(ConfigError) as refusal:
        detectors.load("flat", PlugIns(tmp_path))
    assert str(refusal.value) == f"{path} must hold exactly one public Detector; it holds {count}"


def test_a_file_without_an_asset_type_is_refused(tmp_path: Path) -> None:
    """The message says what it must hold."""
    written(tmp_path, ASSET_TYPES, "fan", "ASSET_TYPE = {}")
    with pytest.raises(ConfigError, match=r"must hold ASSET_TYPE, an AssetType; got \{\}"):
        assets.named("fan", PlugIns(tmp_path))


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed distribution that offers a detector by an entry point."""
    site = tmp_path / "site"
    (site / "steam-1.0.dist-info").mkdir(parents=True)
    (site / "steam_gauges.py").write_text(FLAT.replace("SIZE", "0"), encoding="utf-8")
    (site / "steam-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: steam\nVersion: 1.0\n")
    points = site / "steam-1.0.dist-info" / "entry_points.txt"
    points.write_text("[wheeltapper.detectors]\nflat = steam_gauges\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    plugins._in_distributions.cache_clear()
    yield site
    plugins._in_distributions.cache_clear()
    sys.modules.pop("steam_gauges", None)


@pytest.mark.usefixtures("distribution")
def test_an_installed_distribution_offers_plug_ins() -> None:
    """Its entry point's name is the name in YAML; its code has a digest like any that is not Wheeltapper's own."""
    assert "flat" in INSTALLED.names(DETECTORS)
    flat = detectors.build("flat")
    assert type(flat).__module__ == "steam_gauges"
    assert set(flat.code) == {"flat"}


@pytest.mark.usefixtures("distribution")
def test_a_distribution_and_a_folder_with_one_name_are_refused(mine: Path) -> None:
    """The message names the distribution."""
    with pytest.raises(ConfigError, match=r"the detector 'flat': steam_gauges of steam and .*flat\.py"):
        PlugIns(mine).names(DETECTORS)


@pytest.mark.parametrize(
    ("kind", "name", "title", "meant"),
    [
        (ASSET_TYPES, "pmp", "asset type", "pump"),
        (FEATURE_SETS, "roling", "feature set", "rolling"),
        (DETECTORS, "isolation_forrest", "detector", "isolation_forest"),
        (SOURCES, "simulater", "source", "simulator"),
    ],
)
def test_a_typing_mistake_gets_its_near_miss(kind: Kind, name: str, title: str, meant: str) -> None:
    """The message says what kind of thing was looked for, what there is, and what was probably meant."""
    with pytest.raises(ConfigError) as caught:
        INSTALLED.module(kind, name)
    message = str(caught.value)
    assert message.startswith(f"no {title} named '{name}'; found [")
    assert message.endswith(f" Did you mean '{meant}'?")


def test_a_path_is_not_a_plug_in() -> None:
    """A name from YAML never leaves its folder, and neither helpers nor what detectors share are detectors."""
    for name in ("../config", "__init__", "_members", "rows", "a.b"):
        with pytest.raises(ConfigError, match="no detector named"):
            detectors.load(name)


def test_each_room_loads_its_kind() -> None:
    """Every kind has a room whose function returns what the base class promises."""
    assert issubclass(detectors.load("lof"), Detector)
    assert issubclass(sources.load("simulator"), sources.Source)
    assert build_set("latest")
    assert assets.named("pump").name == "pump"


def test_a_plant_is_parsed_without_any_plug_in() -> None:
    """Configuration imports no room above it; an asset type that is only named is refused there."""
    text = "asset_type: {step: 1min, sensors: {load: {unit: A}}}\nsource: nowhere\ncandidates: [nothing]"
    code = (
        "import sys; from pathlib import Path; from wheeltapper import config;"
        f"config.parse({text!r}, name='mill', folder=Path(), where='mill.yaml');"
        "rooms = ('assets', 'detectors', 'features', 'sources', 'simulation', 'training', 'scoring');"
        "print([room for room in rooms if f'wheeltapper.{room}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(
        ConfigError, match="asset_type: expected an asset type with step and sensors, got the name 'pump'"
    ):
        config.parse("asset_type: pump\nsource: simulator", name="a", folder=Path(), where="a.yaml")


def test_loading_a_plant_stays_light() -> None:
    """The tools that take seconds to import are not touched by checking a plant's plug-ins."""
    heavy = "tensorflow", "sklearn", "mlflow", "prefect", "great_expectations", "matplotlib", "tsfresh"
    code = (
        "import sys; from wheeltapper import check_plant as c; c.load('pump_station'); c.load('skab');"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", [plugins, assets, plants])
def test_the_examples_hold(module: object) -> None:
    """What the docstrings show is what the functions return."""
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
