"""Every plant of ``conf/`` can be loaded: its plug-ins are there, take their options, and its units mean something."""

from __future__ import annotations

from pathlib import Path

import pint
import pytest

from wheeltapper import check_plant, detectors, sources
from wheeltapper.errors import ConfigError
from wheeltapper.features.plan import FeaturePlan

CONF = Path(__file__).parents[2] / "conf"
PLANTS = sorted(CONF.rglob("*.yaml"))


def test_there_are_plants() -> None:
    """An empty list would let every test below pass."""
    assert [path.stem for path in PLANTS].count("pump_station") == 1


@pytest.mark.parametrize("path", PLANTS, ids=lambda path: path.stem)
def test_the_plant_loads_with_all_its_plug_ins(path: Path) -> None:
    """Source, feature sets and candidates are built with the options in the file."""
    plant = check_plant.load(str(path))
    assert plant.name == path.stem
    assert plant.description
    sources.build(plant.source).check(plant)
    assert FeaturePlan.of(plant).columns
    assert not {candidate.name for candidate in plant.candidates} & set(detectors.baselines()), (
        "baselines join in by themselves"
    )
    for candidate in plant.candidates:
        assert (
            detectors.build(candidate.name, candidate.options, seed=plant.seed).options.items()
            >= candidate.options.items()
        )


@pytest.mark.parametrize("path", PLANTS, ids=lambda path: path.stem)
def test_the_units_are_of_some_quantity(path: Path) -> None:
    """Each sensor's unit can be converted to base units, and its limits say where a reading is impossible."""
    units = pint.application_registry
    for name, sensor in check_plant.load(str(path)).asset_type.sensors.items():
        units.Quantity(1.0, sensor.unit).to_base_units()
        assert sensor.low is not None, name
        assert sensor.high is not None, name
        assert sensor.description, name


@pytest.mark.parametrize("path", PLANTS, ids=lambda path: path.stem)
def test_a_misspelt_key_in_it_would_be_noticed(path: Path, tmp_path: Path) -> None:
    """No file of ``conf/`` switches the checks off."""
    copy = tmp_path / path.name
    copy.write_text(path.read_text(encoding="utf-8") + "\nsead: 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"unknown key 'sead'\. Did you mean 'seed'\?"):
        check_plant.load(str(copy))
