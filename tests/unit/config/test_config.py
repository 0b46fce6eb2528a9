"""A plant's YAML: what is right is read as it is meant, and each mistake gives one clear line before work begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wheeltapper import check_plant, config, tables
from wheeltapper.config import Plant, PlugIn, machines
from wheeltapper.errors import ConfigError

MILL = """
asset_type:
  step: 1min
  sensors:
    speed: {unit: rpm, low: 0, high: 3000}
    load: {unit: A, low: 0, high: 80}
source: {csv_folder: {path: data, time_column: time, columns: {rpm: speed}}}
features: [latest, {rolling: {}}]
candidates: [isolation_forest, {lof: {n_neighbors: 20}}]
"""
"""The base of all mistakes below: a plant of an own machine, without fault."""


def load(folder: Path, text: str, name: str = "mill.yaml") -> Plant:
    """Load a plant the way that the command line and the flows do."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return check_plant.load(str(file))


def refused(folder: Path, text: str, name: str = "mill.yaml") -> str:
    """Return the message, which is a single line that begins with the file's path."""
    with pytest.raises(ConfigError) as caught:
        load(folder, text, name)
    message = str(caught.value)
    assert message.startswith(str(folder / name)), message
    assert len(message.splitlines()) == 1, message
    return message.removeprefix(f"{folder / name}: ")


def test_a_plant_is_read_as_it_is_meant(tmp_path: Path) -> None:
    """Names, defaults and plug-ins with and without options; the plant is named by its file, its type by the plant."""
    plant = load(tmp_path, MILL)
    assert (plant.name, plant.asset_type.name, plant.folder) == ("mill", "mill", tmp_path)
    assert plant.candidates == (PlugIn(name="isolation_forest"), PlugIn(name="lof", options={"n_neighbors": 20}))
    assert plant.features[1] == PlugIn(name="rolling")
    assert plant.max_gap == timedelta(minutes=3)
    assert plant.asset_type.sensors["speed"].limits() == "0 to 3000 rpm"
    assert plant.period == "day"


def test_what_ends_in_failure_is_said_by_the_type_and_by_the_plant(tmp_path: Path) -> None:
    """The type says it of wear, the plant of leaks; a type without faults takes any kind; by default there is none."""
    faults = "  faults: {leak: {description: d}, wear: {description: d, ends_in_failure: true}}\nsource:"
    both = load(tmp_path, MILL.replace("source:", faults) + "ends_in_failure: [leak]\nlead: 2d\n")
    assert (both.failing_kinds, both.lead) == ({"leak", "wear"}, timedelta(days=2))
    assert load(tmp_path, MILL + "ends_in_failure: [worn]").failing_kinds == {"worn"}
    assert (load(tmp_path, MILL).failing_kinds, load(tmp_path, MILL).lead) == (frozenset(), timedelta(0))


def test_a_plug_in_without_options_may_end_in_a_colon(tmp_path: Path) -> None:
    """``- lof:`` with nothing behind it is lof with its defaults."""
    text = MILL.replace("[isolation_forest, {lof: {n_neighbors: 20}}]", "\n  - lof:\n")
    assert load(tmp_path, text).candidates == (PlugIn(name="lof"),)


MISTAKES = {
    # misspelt keys, at every level
    "top": (
        MILL + "alarm_budgte: 2",
        "alarm_budgte: unknown key 'alarm_budgte'. Did you mean 'alarm_budget'? Known here: description, plugins,",
    ),
    "a key that must be there": (MILL.replace("candidates:", "candidats:"), "Did you mean 'candidates'?"),
    "asset type": (MILL.replace("  step:", "  stepp:"), "asset_type.stepp: unknown key 'stepp'. Did you mean 'step'?"),
    "sensor": (
        MILL.replace("low: 0, high: 80", "lwo: 0, high: 80"),
        "asset_type.sensors.load.lwo: unknown key 'lwo'. Did you mean 'low'? Known here: unit, low, high, ",
    ),
    "windows": (MILL + "windows: {rws: 5}", "windows.rws: unknown key 'rws'. Did you mean 'rows'?"),
    "parts": (
        MILL + "parts: {by: fraction, validte: 0.15}",
        "parts.validte: unknown key 'validte'. Did you mean 'validate'? Known here: by, train, calibrate, validate,",
    ),
    "alarms": (MILL + "alarms: {open_afer: 2}", "Did you mean 'open_after'? Known here: open_after, close_"),
    "costs": (MILL + "costs: {mised_fault: 2}", "costs.mised_fault: unknown key 'mised_fault'. Did you mean 'missed_"),
    "source options": (
        MILL.replace("time_column", "time_colunm"),
        "source: source csv_folder: time_colunm: unknown key 'time_colunm'. Did you mean 'time_column'?",
    ),
    "candidate options": (
        MILL.replace("n_neighbors", "n_neighbours"),
        "candidates: detector lof has no option 'n_neighbours' (it has: n_neighbors",
    ),
    "feature set options": (
        MILL.replace("{rolling: {}}", "{ratios: {flor: 0.1}}"),
        "features: feature set ratios: flor: unknown key 'flor'. Did you mean 'floor'?",
    ),
    "effect": (
        MILL.replace("source:", "  faults: {jam: {description: x, effects: {load: {factr: 2}}}}\nsource:"),
        "asset_type.faults.jam.effects.load.factr: unknown key 'factr'. Did you mean 'factor'?",
    ),
    # names of plug-ins
    "source": (MILL.replace("csv_folder", "csv_foldr"), "no source named 'csv_foldr'; found ["),
    "detector": (MILL.replace("[isolation_forest", "[isolation_forrest"), "Did you mean 'isolation_forest'?"),
    "feature set": (MILL.replace("rolling", "roling"), "no feature set named 'roling'; found ["),
    "asset type's name": (
        "asset_type: pmp\nsource:" + MILL.split("source:")[1],
        "Did you mean 'pump'? Or describe your own type here: step and sensors.",
    ),
    "sensor of a ratio": (
        MILL.replace("source:", "  ratios: [[speed, laod]]\nsource:"),
        "asset_type: mill has no sensor 'laod' (it has: speed, load). Did you mean 'load'?",
    ),
    "sensor of a column": (
        MILL.replace("rpm: speed", "rpm: sped"),
        "names sensor 'sped', which mill does not have (it has: speed, load). Did you mean 'speed'?",
    ),
    "normalise": (
        MILL + "normalise: robst",
        "normalise: must be 'robust' or 'standard', got 'robst'. Did you mean 'robust'?",
    ),
    "part rule": (
        MILL + "parts: {by: fractoin, train: 0.5}",
        "parts: by must be one of fraction, date, first_rows, files, assets, got 'fractoin'. Did you mean 'fraction'?",
    ),
    "no part rule": (MILL + "parts: {train: 0.5}", "parts: by is missing; it must be one of fraction, date,"),
    # values
    "unit": (MILL.replace("unit: A", "unit: furlong/fortnite"), "unit 'furlong/fortnite' is not known. Write it like"),
    "empty unit": (MILL.replace("unit: A", "unit: "), "asset_type.sensors.load.unit: unit None is not known"),
    "blank unit": (MILL.replace("unit: A", "unit: ''"), "asset_type.sensors.load.unit: unit '' is not known"),
    "low is high": (MILL.replace("high: 80", "high: 0"), "load: low must be below high, got low 0 and high 0"),
    "low above high": (MILL.replace("low: 0, high: 80", "low: 9, high: 8"), "low must be below high, got low 9 and hi"),
    "alarm limits": (
        MILL.replace("high: 80", "high: 80, alarm_low: 9, alarm_high: 8"),
        "load: alarm_low must be below alarm_high, got alarm_low 9 and alarm_high 8",
    ),
    "infinite": (MILL.replace("high: 80", "high: .inf"), "sensors.load.high: must be a finite number, got inf"),
    "no unit of time": (MILL.replace("1min", "60"), "step: expected a duration such as 30s, 5min, 1h or 2d, got 60"),
    "unknown unit of time": (MILL.replace("1min", "1 fortnight"), "5min, 1h or 2d, got '1 fortnight'"),
    "no time at all": (MILL.replace("1min", "0s"), "asset_type: step must be longer than nothing, got 0ms"),
    "gap below step": (
        MILL + "windows: {max_gap: 10s}",
        "windows.max_gap must be at least the asset type's step of 1min, or no window is ever full; got 10s",
    ),
    "no gap at all": (MILL + "windows: {max_gap: 0s}", "or no window is ever full; got 0ms"),
    "parts beyond the whole": (
        MILL + "parts: {by: fraction, train: 0.6, calibrate: 0.2, validate: 0.2, test: 0.1}",
        "parts: train + calibrate + validate + test must be 1, got 1.1",
    ),
    "dates out of order": (
        MILL + "parts: {by: date, calibrate_from: 2026-02-01, validate_from: 2026-01-01, test_from: 2026-03-01}",
        "parts: calibrate_from, validate_from and test_from must follow each other in time",
    ),
    "no date": (
        MILL + "parts: {by: date, calibrate_from: soon, validate_from: 2026-02-01, test_from: 2026-03-01}",
        "parts.calibrate_from: expected a date or time such as 2026-01-31 or 2026-01-31T06:00Z, got 'soon'",
    ),
    "a number for a date": (
        MILL + "parts: {by: date, calibrate_from: 2025, validate_from: 2026-02-01, test_from: 2026-03-01}",
        "parts.calibrate_from: expected a date or time such as 2026-01-31 or 2026-01-31T06:00Z, got 2025",
    ),
    "text for a number": (MILL + 'alarm_budget: "2"', "alarm_budget: expected a number, got the text '2'"),
    "text for a count": (MILL + 'windows: {rows: "5"}', "windows.rows: expected a number, got the text '5'"),
    "text for a limit": (MILL.replace("high: 80", "high: '80'"), "load.high: expected a number, got the text '80'"),
    "text for a part": (
        MILL + "parts: {by: first_rows, train: '250', calibrate: 150}",
        "parts.train: expected a number, got the text '250'",
    ),
    "yes for a number": (MILL + "seed: yes", "seed: expected a number, got true"),
    "a seed that scikit-learn refuses": (
        MILL + "seed: 5000000000",
        "seed: must be less than or equal to 4294967295, got 5000000000",
    ),
    "half a row": (MILL + "windows: {rows: 5.5}", "windows.rows: must be a valid integer, got a number with a fra"),
    "too small": (MILL + "alarm_budget: 0", "alarm_budget: must be greater than 0, got 0"),
    "endless budget": (MILL + "alarm_budget: .inf", "alarm_budget: must be a finite number, got inf"),
    "a kind that never fails": (
        MILL.replace("source:", "  faults: {leak: {description: d}, wear: {description: d}}\nsource:")
        + "ends_in_failure: [waer]",
        "ends_in_failure: mill has no fault kind 'waer' (it has: leak, wear). Did you mean 'wear'?",
    ),
    "a lead without a unit": (MILL + "lead: 60", "lead: expected a duration such as 30s, 5min, 1h or 2d, got 60"),
    "repairs that do not pay": (MILL + "costs: {found_fault: 20000}", "found_fault must cost less than missed_fault"),
    "a price for no fault": (
        MILL.replace("  sensors:", "  faults: {leak: {description: water}, wear: {description: play}}\n  sensors:")
        + "costs: {by_kind: {laek: {missed_fault: 9000}}}",
        "costs.by_kind: mill has no fault kind 'laek' (it has: leak, wear). Did you mean 'leak'?",
    ),
    "a fault not worth finding": (
        MILL.replace("  sensors:", "  faults: {leak: {description: water}}\n  sensors:")
        + "costs: {by_kind: {leak: {missed_fault: 1500}}}",
        "costs: by_kind: leak: found_fault (2000) must cost less than missed_fault (1500)",
    ),
    "a price misspelt": (
        MILL.replace("  sensors:", "  faults: {leak: {description: water}}\n  sensors:")
        + "costs: {by_kind: {leak: {missed_fault: 9000, downtime: 3}}}",
        "costs.by_kind.leak.downtime: unknown key 'downtime'. Did you mean 'downtime_hours'?",
    ),
    "detector's value": (
        MILL.replace("n_neighbors: 20", "n_neighbors: twenty"),
        "must be a whole number of at least",
    ),
    "source's value": (
        MILL.replace("path: data", "path: data, separator: ';;'"),
        "source: source csv_folder: separator: separator must be one character",
    ),
    # searches
    "a search over no candidate": (
        MILL + "search: {over: {isolation_forrest: {n_estimators: [100, 200]}}}",
        "search.over: 'isolation_forrest' is none of the candidates (isolation_forest, lof). "
        "Did you mean 'isolation_forest'? Add it to candidates, or leave it out",
    ),
    "a search over no option": (
        MILL + "search: {over: {lof: {n_neighbours: [10, 20]}}}",
        "search.over: detector lof has no option 'n_neighbours' (it has: n_neighbors",
    ),
    "a search over no value": (
        MILL + "search: {over: {isolation_forest: {n_estimators: [100, 0]}}}",
        "search.over: detector isolation_forest: isolation_forest's option 'n_estimators' must be a whole number of",
    ),
    "a key of a search": (
        MILL + "search: {fold: 3, over: {lof: {n_neighbors: [10]}}}",
        "search.fold: unknown key 'fold'. Did you mean 'folds'? Known here: how, minutes, trials, folds, over.",
    ),
    "a way to search": (
        MILL + "search: {how: rnadom, over: {lof: {n_neighbors: [10]}}}",
        "search.how: must be 'grid' or 'random', got 'rnadom'. Did you mean 'random'?",
    ),
    "a search over nothing": (MILL + "search: {minutes: 1}", "search.over: is missing"),
    "an empty search": (MILL + "search: {over: {}}", "search.over: "),
    "a detector without options": (MILL + "search: {over: {lof: {}}}", "search: over: lof names no option to search o"),
    "an option without values": (MILL + "search: {over: {lof: {n_neighbors: []}}}", "n_neighbors has no value to try"),
    "one value and no list": (
        MILL + "search: {over: {lof: {n_neighbors: 10}}}",
        "search.over.lof.n_neighbors: expected a list such as [a, b], got 10",
    ),
    "a value twice": (
        MILL + "search: {over: {lof: {n_neighbors: [10, 20, 10]}}}",
        "search: over: lof: n_neighbors names 10 twice; name it once",
    ),
    "a bounded grid": (
        MILL + "search: {trials: 5, over: {lof: {n_neighbors: [10, 20]}}}",
        "search: a grid tries every combination; trials (5) is for how: random. Remove it, or change how",
    ),
    "no time to search": (
        MILL + "search: {minutes: 0, over: {lof: {n_neighbors: [10]}}}",
        "search.minutes: must be gr",
    ),
    "one fold": (
        MILL + "search: {folds: 1, over: {lof: {n_neighbors: [10]}}}",
        "search.folds: must be greater than or",
    ),
    # shapes
    "no sensors": (
        MILL.replace("  sensors:\n", "").replace("    speed:", "#").replace("    load:", "#"),
        "asset_type.sensors: is missing",
    ),
    "empty sensors": (
        MILL.replace("  sensors:\n", "  sensors: {}\n").replace("    speed:", "#").replace("    load:", "#"),
        "asset_type.sensors: ",
    ),
    "no source": (MILL.replace("source: {csv_folder", "#"), "source: is missing"),
    "empty source": (MILL.replace("source: {csv_folder", "source: #"), "source: expected a name such as lof"),
    "no list": (
        MILL.replace("features: [latest, {rolling: {}}]", "features: latest"),
        "features: expected a list such",
    ),
    "empty list": (MILL.replace("features: [latest, {rolling: {}}]", "features: []"), "features: "),
    "a number for a name": (MILL.replace("[isolation_forest", "[7"), "candidates.0: expected a name such as lof, or "),
    "two names in one": (MILL.replace("{rolling: {}}", "{rolling: {}, rates: {}}"), "expected one name with its opti"),
    "options without names": (
        MILL.replace("{n_neighbors: 20}", "20"),
        "lof takes options by name, such as {seed: 1}, g",
    ),
    "number for a mapping": (MILL + "windows: 5", "windows: expected a mapping (key: value), got 5"),
    "number for an asset type": (
        "asset_type: 5\nsource:" + MILL.split("source:")[1],
        "asset_type: expected a mapping (key: value), got 5",
    ),
    "a sensor named like a column": (MILL.replace("load:", "regime:"), "'regime' cannot be a sensor's name"),
    "a sensor with a gap": (MILL.replace("load:", "motor load:"), "'motor load' cannot be a sensor's name"),
    "the same candidate twice": (
        MILL.replace("[isolation_forest", "[lof, lof"),
        "candidates name lof twice with the same options; name it once",
    ),
    "the same feature set twice": (MILL.replace("{rolling: {}}", "latest"), "gives column 'speed', which latest has"),
    "own name": (MILL + "name: other", "name: the file's own name is the plant's. Remove this key."),
    "own folder": (MILL + "folder: other", "folder: the file's own folder is the plant's. Remove this key."),
    # YAML itself
    "doubled key": (MILL + "seed: 1\nseed: 2", "is not valid YAML: key 'seed' stands in line 10 and again in line 11."),
    "doubled sensor": (MILL.replace("load:", "speed:"), "is not valid YAML: key 'speed' stands in line 5 and again in"),
    "empty": ("", "is empty or not a mapping; see conf/pump_station.yaml for an example."),
    "only a comment": ("# soon\n", "is empty or not a mapping"),
    "a list": ("- asset_type: pump\n", "is empty or not a mapping"),
}


@pytest.mark.parametrize(("text", "expected"), [pytest.param(*case, id=name) for name, case in MISTAKES.items()])
def test_a_mistake_gives_one_clear_line(tmp_path: Path, text: str, expected: str) -> None:
    """The line says where, what was expected, what came, and the near miss."""
    assert text != MILL
    assert expected in refused(tmp_path, text)


def test_each_mistake_has_its_own_line(tmp_path: Path) -> None:
    """Whoever made three mistakes in options sees three lines, not one after the other in three runs."""
    text = MILL.replace("n_neighbors", "n_neighbours").replace("rolling", "roling").replace("rpm: speed", "rpm: sped")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["source", "features", "candidates"]
    assert all(line.startswith(str(tmp_path / "mill.yaml")) for line in lines)


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    """YAML's own message says the line."""
    with pytest.raises(ConfigError, match=r"mill\.yaml is not valid YAML: (.|\n)*line 2"):
        load(tmp_path, "a: [1\nb: }")


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    """A file that Windows wrote as Latin-1 is named, instead of a traceback about bytes."""
    file = tmp_path / "mill.yaml"
    file.write_bytes("description: Mühle".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"mill\.yaml is not UTF-8 text"):
        check_plant.load(str(file))


def test_the_files_name_must_be_a_plants_name(tmp_path: Path) -> None:
    """The name becomes a folder, an experiment and a model: no dashes."""
    assert "got 'my-mill'. Rename the file." in refused(tmp_path, MILL, "my-mill.yaml")


def test_an_unknown_plant_gets_its_near_miss() -> None:
    """The message lists the plants that there are."""
    with pytest.raises(ConfigError, match=r"no plant named 'pump_staton'.*Did you mean 'pump_station'\?"):
        check_plant.load("pump_staton")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is told from a name."""
    with pytest.raises(ConfigError, match=r"no such file: .*nowhere\.yaml\. Give the name of a plant in conf/"):
        check_plant.load(str(tmp_path / "nowhere.yaml"))


def test_a_simulated_plant_needs_physics(tmp_path: Path) -> None:
    """An own machine in YAML cannot be simulated, and a fault kind must be known: both show at once."""
    simulated = "source: {simulator: {start: 2026-01-05, duration: 1d, kinds: [cavitaton]}}\n"
    own = MILL.split("source:", maxsplit=1)[0] + simulated.replace(", kinds: [cavitaton]", "") + MILL.split("}}\n")[1]
    assert "asset type 'mill' cannot be simulated" in refused(tmp_path, own)
    pump = "asset_type: pump\n" + simulated + MILL.split("}}\n")[1]
    assert "has no fault kind 'cavitaton'" in refused(tmp_path, pump)


def test_numbers_are_read_as_people_write_them(tmp_path: Path) -> None:
    """``1e-3`` is a number (YAML 1.1 takes it for text), and ``off`` stays what the source makes of it."""
    assert load(tmp_path, MILL + "alarm_budget: 5e-1").alarm_budget == 0.5
    assert load(tmp_path, MILL + "alarm_budget: 1.5e+1").alarm_budget == 15.0
    assert load(tmp_path, MILL + "description: 1e6x").description == "1e6x"


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1.5h", 5400), ("250ms", 0.25), ("2 d", 172_800), ("1w", 604_800)]
)
def test_durations_are_read_and_written_back(text: str, seconds: float) -> None:
    """What is written is read as the same."""
    duration = config.parse_duration(text)
    assert duration.total_seconds() == seconds
    assert config.parse_duration(config.format_duration(duration)) == duration


def test_dates_are_utc_where_they_name_no_zone(tmp_path: Path) -> None:
    """A date is its midnight in UTC; a zone that is named is kept."""
    instants = "calibrate_from: 2026-01-01, validate_from: 2026-02-01 06:00:00, test_from: '2026-03-01T00:00+02:00'"
    parts = load(tmp_path, f"{MILL}parts: {{by: date, {instants}}}").parts
    assert isinstance(parts, config.PartsByDate)
    assert parts.calibrate_from == datetime(2026, 1, 1, tzinfo=UTC)
    assert parts.validate_from == datetime(2026, 2, 1, 6, tzinfo=UTC)
    assert parts.test_from == datetime(2026, 2, 28, 22, tzinfo=UTC)


def test_every_fixed_column_is_reserved() -> None:
    """A sensor that is named like a column of its table would overwrite it."""
    fixed = {*tables.READINGS.names(), *tables.FEATURES.names()}
    assert fixed <= machines.RESERVED


def test_a_plant_survives_json(tmp_path: Path) -> None:
    """What goes into hashes and bundles comes back as the same plant."""
    plant = load(tmp_path, MILL + "parts: {by: first_rows, train: 20, calibrate: 10}\nwindows: {max_gap: 2min}")
    again = Plant.model_validate_json(plant.model_dump_json(by_alias=True)[:-1] + f',"folder":"{tmp_path}"}}')
    assert again == plant


def test_a_search_survives_json(tmp_path: Path) -> None:
    """What is searched over comes back as it was, its values in their order; where nothing is named there is none."""
    assert load(tmp_path, MILL).search is None
    plant = load(tmp_path, MILL + "search: {how: random, over: {lof: {n_neighbors: [40, 10]}}}")
    assert plant.search is not None
    assert plant.search.most_drawn == 20
    assert plant.search.over == {"lof": {"n_neighbors": (40, 10)}}
    again = Plant.model_validate_json(plant.model_dump_json(by_alias=True)[:-1] + f',"folder":"{tmp_path}"}}')
    assert again == plant


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Home and workers; a wrong number is named by its variable."""
    monkeypatch.setenv("WHEELTAPPER_HOME", str(tmp_path))
    monkeypatch.setenv("WHEELTAPPER_WORKERS", "3")
    settings = config.Settings()
    assert (settings.store, settings.workers) == (tmp_path / "store", 3)
    monkeypatch.setenv("WHEELTAPPER_WORKERS", "many")
    with pytest.raises(ConfigError, match=r"WHEELTAPPER_WORKERS: must be a valid integer.*got 'many'"):
        config.Settings()
