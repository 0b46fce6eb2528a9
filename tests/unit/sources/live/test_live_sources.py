"""Live sources are plug-ins: one file each, found by its name, also in a plant's own folder."""

import asyncio

import pytest

from tests.unit.sources.live.plants import plant
from wheeltapper.config import PlugIn
from wheeltapper.errors import ConfigError
from wheeltapper.plugins import INSTALLED, LIVE_SOURCES, PlugIns
from wheeltapper.sources import live

DOOR = """
from datetime import UTC, datetime

from wheeltapper.sources.live import Feed, FeedStatus, LiveSource
from wheeltapper.sources.live.reading import LiveReading


class Door(LiveSource):
    asset: str

    def open(self, plant, refuse, memory=None):
        return Knock(self.asset)


class Knock(Feed):
    def __init__(self, asset):
        self._asset = asset

    async def run(self, take):
        await take([LiveReading(self._asset, datetime.now(UTC), {"flow": 1.0})])

    def status(self):
        return FeedStatus(is_connected=True)
"""


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "mine" / "live_sources"
    folder.mkdir(parents=True)
    (folder / "door.py").write_text(DOOR)
    return tmp_path / "mine"


def test_a_live_source_of_ones_own_is_found_in_the_plants_folder(mine):
    plug_ins = PlugIns(mine)
    plug_ins.check()
    assert plug_ins.names(LIVE_SOURCES) == sorted([*INSTALLED.names(LIVE_SOURCES), "door"])
    taken = []

    async def take(readings):
        taken.extend(readings)

    asyncio.run(live.build(PlugIn(name="door", options={"asset": "pump"}), plug_ins).open(plant(), None).run(take))
    assert [reading.asset_id for reading in taken] == ["pump"]


def test_its_folder_is_told_from_one_that_is_misspelt(mine):
    (mine / "live_sources").rename(mine / "live_source")
    with pytest.raises(ConfigError, match="Did you mean 'live_sources'"):
        PlugIns(mine).check()


def test_a_wrong_name_and_wrong_options_are_named(mine):
    with pytest.raises(ConfigError, match=r"no live source named 'mqqt'.*Did you mean 'mqtt'"):
        live.build(PlugIn(name="mqqt"))
    with pytest.raises(ConfigError, match="live source door: asset: is missing"):
        live.build(PlugIn(name="door"), PlugIns(mine))
    assert "mqtt" in INSTALLED.names(LIVE_SOURCES)
