"""The plant on one page: pydantic models of ``conf/*.yaml``, and the settings of this machine.

Everything is frozen and refuses keys that it does not know; a wrong key gets its near miss.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from wheeltapper import _folder
from wheeltapper._mistakes import describe as describe  # noqa: PLC0414 - belongs to this page
from wheeltapper.errors import ConfigError, SourceError

REGIMES = ("startup", "normal", "high_load", "maintenance", "off")
IDLE_REGIMES = ("maintenance", "off")
"""Regimes in which a machine is not watched: nothing is learnt and no alarm is raised."""

_NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|sec|min|h|d|w)\s*$")
_SECONDS = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(value: Any) -> timedelta:
    """Read ``30s``, ``5min``, ``1h``, ``2d`` or ``1w``; a bare number is refused, because it has no unit."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a duration such as 30s, 5min, 1h or 2d, got {value!r}")
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def format_duration(value: timedelta) -> str:
    """Write a duration the way that ``parse_duration`` reads it."""
    seconds = value.total_seconds()
    for unit in ("w", "d", "h", "min", "s"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.15g}{unit}"
    return f"{seconds * 1000:.15g}ms"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration)]


def _as_utc(value: Any) -> datetime:
    """Read a YAML date or time as UTC where it names no zone; a bare number is refused, because it has no unit."""
    when = _parse_time(value) if isinstance(value, str) else value
    if isinstance(when, date) and not isinstance(when, datetime):
        when = datetime(when.year, when.month, when.day)
    if not isinstance(when, datetime):
        raise ValueError(f"expected a date or time such as 2026-01-31 or 2026-01-31T06:00Z, got {value!r}")
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _parse_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


Instant = Annotated[AwareDatetime, BeforeValidator(_as_utc)]


class Model(BaseModel):
    """A frozen piece of configuration that refuses unknown keys, and text where a number belongs."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_text_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        return _no_text_for_a_number(value, cls.model_fields[str(info.field_name)].annotation)


def _no_text_for_a_number(value: Any, annotation: Any) -> Any:
    """Refuse ``rows: "5"`` and ``rows: yes``, which would silently become 5 and 1."""
    accepted = _plain_types(annotation)
    is_number = accepted <= {int, float, NoneType} and bool(accepted & {int, float})
    if is_number and isinstance(value, str):
        raise ValueError(f"expected a number, got the text {value!r}")
    if is_number and isinstance(value, bool):
        raise ValueError(f"expected a number, got {str(value).lower()}")
    return value


def _plain_types(annotation: Any) -> set[Any]:
    """Return the types that an annotation such as ``float | None`` allows."""
    return set(get_args(annotation)) if isinstance(annotation, UnionType) else {annotation}


class Sensor(Model):
    """One measured quantity of an asset."""

    unit: str = Field(description="engineering unit, such as bar, mm/s or °C; 1 for a pure number")
    low: float | None = Field(None, description="lowest value that the sensor can show, in its unit")
    high: float | None = Field(None, description="highest value that the sensor can show, in its unit")
    alarm_low: float | None = Field(None, description="below this the plant's own rule raises an alarm, in its unit")
    alarm_high: float | None = Field(None, description="above this the plant's own rule raises an alarm, in its unit")
    counter: bool = Field(
        False, description="it only counts up, like an energy meter; features look at what it counts in an hour"
    )
    description: str = Field("", description="what it measures, for people")

    @field_validator("unit", mode="before")
    @classmethod
    def _is_a_unit(cls, unit: Any) -> str:
        import pint

        try:
            if unit is None or not str(unit).strip():
                raise ValueError("nothing was written")
            pint.application_registry.parse_units(str(unit))
        except Exception as error:
            raise ValueError(
                f"unit {unit!r} is not known. Write it like bar, mm/s, m³/h, °C, A, %, kWh, or 1 for a pure number"
            ) from error
        return str(unit)

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low must be below high, got low {self.low:g} and high {self.high:g}")
        if self.alarm_low is not None and self.alarm_high is not None and not self.alarm_low < self.alarm_high:
            raise ValueError(
                f"alarm_low must be below alarm_high, got alarm_low {self.alarm_low:g} and alarm_high "
                f"{self.alarm_high:g}"
            )
        return self

    @property
    def unit_of_features(self) -> str:
        """The unit that its features are in: of a counter, what it counts in an hour."""
        return f"{self.unit}/h" if self.counter else self.unit

    def limits(self) -> str:
        """Say the limits as a person would: ``0 to 12 bar``."""
        low = "-∞" if self.low is None else f"{self.low:g}"
        high = "∞" if self.high is None else f"{self.high:g}"
        return f"{low} to {high} {self.unit}"


class Effect(Model):
    """What a fully developed fault does to one sensor: ``value * factor + shift``."""

    factor: float = Field(1.0, gt=0, description="multiplies the normal value")
    shift: float = Field(0.0, description="is added to it, in the sensor's unit")
    noise: float = Field(0.0, ge=0, description="extra standard deviation, in the sensor's unit")


class FaultKind(Model):
    """One way in which a machine of this type (or one of its sensors) goes wrong."""

    description: str
    first_check: str = Field("", description="the first thing to look at when this is suspected")
    part: Literal["machine", "sensor"] = Field("machine", description="what is broken")
    effects: dict[str, Effect] = Field(default_factory=dict, description="sensor → effect at full severity")


class AssetType(Model):
    """What is true of every machine of a kind."""

    name: str = Field(pattern=_NAME)
    description: str = ""
    step: Duration = Field(description="usual time between two readings")
    sensors: dict[str, Sensor] = Field(min_length=1)
    regimes: tuple[str, ...] = Field(
        REGIMES, description="operating states; a source without a regime column is all 'normal'"
    )
    ratios: tuple[tuple[str, str], ...] = Field((), description="pairs of sensors whose quotient means something")
    products: tuple[tuple[str, str], ...] = Field((), description="pairs of sensors whose product means something")
    faults: dict[str, FaultKind] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if self.step <= timedelta(0):
            raise ValueError(f"step must be longer than nothing, got {format_duration(self.step)}")
        return self

    @model_validator(mode="after")
    def _names_own_sensors(self) -> Self:
        for name in self.sensors:
            if not re.match(_NAME, name) or "__" in name or name in _RESERVED:
                raise ValueError(
                    f"'{name}' cannot be a sensor's name: use letters, digits and single underscores, "
                    f"and none of {sorted(_RESERVED)}"
                )
        used = [name for pair in self.ratios + self.products for name in pair]
        used += [name for kind in self.faults.values() for name in kind.effects]
        for name in used:
            if name not in self.sensors:
                raise ValueError(
                    f"{self.name} has no sensor '{name}' (it has: {', '.join(self.sensors)})."
                    f"{_folder.near_miss(name, list(self.sensors))}"
                )
        return self


# The fixed columns of the tables of readings and features (a test holds the two together), and of sources.
_RESERVED = {
    "asset_id",
    "timestamp",
    "regime",
    "ingested_at",
    "batch_id",
    "window_start",
    "window_end",
    "usable",
    "why_not",
    "plan",
    "row",
    "period",
    "origin",
    "defect",
}


def _without_passwords(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_passwords(one) for key, one in value.items()}
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", value) if isinstance(value, str) else value


class PlugIn(Model):
    """A plug-in by its file's name, with its options: ``lof`` or ``lof: {n_neighbors: 20}``."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Hide a password that stands in an address: whoever wrote it there must not find it in a log."""
        for name, value in super().__repr_args__():
            yield name, _without_passwords(value)

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and set(value) != {"name", "options"} and set(value) != {"name"}:
            if len(value) != 1:
                raise ValueError(f"expected one name with its options, got {sorted(map(str, value))}")
            ((name, options),) = value.items()
            value = {"name": name, "options": {} if options is None else options}
        if isinstance(value, dict) and not isinstance(value.get("options", {}), dict):
            raise ValueError(f"{value['name']} takes options by name, such as {{seed: 1}}, got {value['options']!r}")
        if not isinstance(value, dict | PlugIn):
            raise ValueError(f"expected a name such as lof, or lof: {{n_neighbors: 20}} with options, got {value!r}")
        return value


class Windows(Model):
    """How readings are cut into windows."""

    rows: int = Field(5, ge=2, description="readings in a window")
    every: int = Field(1, ge=1, description="readings between the ends of two windows")
    max_gap: Duration | None = Field(
        None, description="a longer pause ends a stretch of readings; by default three times the asset type's step"
    )


class _PartsRule(Model):
    """One of the rules; ``by`` tells them apart, and pydantic wants no validator that would see it first."""

    @field_validator("train", "calibrate", "validate_", "test", mode="before", check_fields=False)
    @classmethod
    def _is_no_text_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        return _no_text_for_a_number(value, cls.model_fields[str(info.field_name)].annotation)


class PartsByFraction(_PartsRule):
    """Cut the plant's time span: the first share trains, the next calibrates, then validates, then tests."""

    by: Literal["fraction"] = "fraction"
    train: float = Field(0.5, gt=0, lt=1)
    calibrate: float = Field(0.2, gt=0, lt=1)
    validate_: float = Field(0.15, gt=0, lt=1, alias="validate")
    test: float = Field(0.15, gt=0, lt=1)

    @model_validator(mode="after")
    def _is_a_whole(self) -> Self:
        total = self.train + self.calibrate + self.validate_ + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + calibrate + validate + test must be 1, got {total:g}")
        return self


class PartsByDate(_PartsRule):
    """Cut at three instants (UTC where they name no zone)."""

    by: Literal["date"] = "date"
    calibrate_from: Instant
    validate_from: Instant
    test_from: Instant

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if not self.calibrate_from < self.validate_from < self.test_from:
            raise ValueError("calibrate_from, validate_from and test_from must follow each other in time")
        return self


class PartsByFirstRows(_PartsRule):
    """Learn from the first readings of each asset; judge the rest.

    Every other asset (in the order of their names) judges candidates, the remaining ones are the test part:
    the champion is chosen on assets that the test does not see.
    """

    by: Literal["first_rows"] = "first_rows"
    train: int = Field(ge=10, description="readings of each asset that candidates are fitted on")
    calibrate: int = Field(ge=10, description="readings after them that set the threshold")


class PartsByFiles(_PartsRule):
    """Learn from some files, judge others (for data sets that come cut in two)."""

    by: Literal["files"] = "files"
    train: str = Field(description="file name pattern, such as *_train.csv")
    test: str = Field(description="file name pattern, such as *_test.csv")
    calibrate: float = Field(0.3, gt=0, lt=1, description="last share of the training files' time")
    validate_: float = Field(0.5, gt=0, lt=1, alias="validate", description="first share of the test files' time")


Parts = Annotated[PartsByFraction | PartsByDate | PartsByFirstRows | PartsByFiles, Field(discriminator="by")]


class Alarms(Model):
    """How anomalous windows become one alarm."""

    open_after: int = Field(3, ge=1, description="anomalous windows in a row that open an alarm")
    close_after: int = Field(6, ge=1, description="normal windows in a row that close it")


class Costs(Model):
    """What mistakes and successes cost, per event (never per row)."""

    currency: str = "EUR"
    missed_fault: float = Field(10_000, ge=0, description="an unplanned stop: the fault ran to its end unseen")
    found_fault: float = Field(2_000, ge=0, description="a planned repair: the fault was found")
    false_alarm: float = Field(500, ge=0, description="somebody walks to the machine for nothing")
    delay_hour: float = Field(100, ge=0, description="one hour between a fault's start and its alarm")
    alarm_hour: float = Field(50, ge=0, description="one hour of an alarm that is on for nothing")

    @model_validator(mode="after")
    def _finding_pays(self) -> Self:
        if self.found_fault >= self.missed_fault:
            raise ValueError("found_fault must cost less than missed_fault, or nothing is worth finding")
        return self


class Plant(Model):
    """One plant: which assets, from which source, with which pipeline settings."""

    name: str = Field(pattern=_NAME, description="the file's name")
    folder: Path = Field(description="where the plant's file lies; relative paths start here", exclude=True)
    description: str = ""
    asset_type: AssetType
    source: PlugIn
    windows: Windows = Windows()
    features: tuple[PlugIn, ...] = Field(min_length=1)
    normalise: Literal["robust", "standard"] = Field("robust", description="how each regime is scaled")
    parts: Parts = PartsByFraction()
    models: Literal["per_asset", "pooled"] = Field(
        "pooled", description="one model for each asset, or one for the asset type (scaled per asset either way)"
    )
    candidates: tuple[PlugIn, ...] = Field(min_length=1, description="detectors to try; baselines always join in")
    alarm_budget: float = Field(1.0, gt=0, description="false alarms that you accept per asset and week")
    alarms: Alarms = Alarms()
    costs: Costs = Costs()
    seed: int = Field(42, ge=0)

    @field_validator("asset_type", mode="before")
    @classmethod
    def _look_up(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                return _folder.load_module("assets", value).ASSET_TYPE
            except ConfigError as error:
                raise ValueError(f"{error} Or describe your own type here: step and sensors.") from error
        return value

    @model_validator(mode="after")
    def _fills_windows(self) -> Self:
        if self.max_gap < self.asset_type.step:
            raise ValueError(
                f"windows.max_gap must be at least the asset type's step of {format_duration(self.asset_type.step)}, "
                f"or no window is ever full; got {format_duration(self.max_gap)}"
            )
        return self

    @model_validator(mode="after")
    def _tries_each_once(self) -> Self:
        for place, candidate in enumerate(self.candidates):
            if candidate in self.candidates[:place]:
                raise ValueError(f"candidates name {candidate.name} twice with the same options; name it once")
        return self

    @property
    def max_gap(self) -> timedelta:
        """The longest pause inside a window."""
        return 3 * self.asset_type.step if self.windows.max_gap is None else self.windows.max_gap

    @property
    def period(self) -> Literal["day", "month"]:
        """How the plant's tables are cut into files: a day of fast readings, a month of slow ones."""
        return "day" if self.asset_type.step <= timedelta(minutes=1) else "month"


class Settings(BaseSettings):
    """Where this machine keeps things; read from the environment (``WHEELTAPPER_…``)."""

    model_config = SettingsConfigDict(env_prefix="WHEELTAPPER_", frozen=True)

    home: Path = Field(Path(".wheeltapper"), description="everything that Wheeltapper writes")
    data: Path | None = Field(None, description="where plants with relative paths find their data")
    workers: int = Field(2, ge=1, description="candidates that train at the same time")
    prefect_port: int = Field(4200, ge=1, le=65535, description="port of Prefect's API and UI")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="port of MLflow's UI")
    reports_port: int = Field(4280, ge=1, le=65535, description="port of the reports and Data Docs")

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            lines = describe(error, "", type(self)).splitlines()
            names = [(line.partition(":")[0], line) for line in lines]
            said = [line.replace(name, f"WHEELTAPPER_{name.upper()}", 1) for name, line in names]
            raise ConfigError("\n".join(said)) from error

    @property
    def store(self) -> Path:
        """Folder of the tables."""
        return self.home.resolve() / "store"

    @property
    def tracking_uri(self) -> str:
        """MLflow's database."""
        return f"sqlite:///{self.home.resolve() / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        """MLflow's files."""
        return self.home.resolve() / "mlartifacts"

    @property
    def prefect(self) -> Path:
        """Prefect's own home."""
        return self.home.resolve() / "prefect"

    @property
    def reports(self) -> Path:
        """HTML reports and Data Docs."""
        return self.home.resolve() / "reports"


def data_folders(folder: Path) -> list[Path]:
    """List where data with a relative path is looked for; ``folder`` is the one of the plant's file.

    Beside that file, in WHEELTAPPER_DATA, where `datasets fetch` puts it, and in ``../shared/data``.
    """
    settings = Settings()
    shared = Path("..") / "shared" / "data"
    # A plant lies in conf/ or in a folder below; the data may lie beside the checkout.
    beside = [parent / shared for parent in list(folder.resolve().parents)[:2]]
    return [folder, *([settings.data] if settings.data else []), settings.home / "data", Path.cwd() / shared, *beside]


def conf_folder() -> Path:
    """Return the folder of the plants: ``conf/`` here, else beside the checkout's library."""
    here = Path("conf")
    return here if here.is_dir() else Path(__file__).parent.parent / "conf"


def plant_files() -> dict[str, Path]:
    """List the plants of ``conf/`` and of the folders in it by name: ``skab``, ``datasets/nab``."""
    folder = conf_folder()
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*/*.yaml")], key=lambda path: (len(path.parts), path))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}


def _named(plant: str) -> Path:
    """Find a plant of ``conf/`` by its name; the folder may be left out where that is clear."""
    known = plant_files()
    if plant in known:
        return known[plant]
    alike = [path for path in known.values() if path.stem == plant]
    if len(alike) == 1:
        return alike[0]
    raise ConfigError(
        f"no plant named '{plant}'; {conf_folder()}/ has {list(known)}.{_folder.near_miss(plant, list(known))}"
    )


def load(plant: str) -> Plant:
    """Read one plant: a name in ``conf/`` or the path of a YAML file; its plug-ins are there and take their options.

    Raises
    ------
    ConfigError
        If there is no such plant, or its YAML says something that is not understood. The message names the
        key, what was expected and the near miss.
    """
    path = Path(plant)
    if path.suffix not in (".yaml", ".yml"):
        path = _named(plant)
    if not path.is_file():
        raise ConfigError(f"no such file: {path}. Give the name of a plant in conf/ or the path of its YAML file.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text ({error}); save it as UTF-8.") from error
    found = parse(text, name=path.stem, folder=path.resolve().parent, where=str(path))
    check_plug_ins(found, where=str(path))
    return found


def parse(text: str, *, name: str, folder: Path, where: str) -> Plant:
    """Turn a plant's YAML text into a `Plant`; ``where`` opens every message. Plug-ins are not looked at."""
    try:
        content = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{where} is empty or not a mapping; see conf/pump_station.yaml for an example.")
    _require_name(name, content, where)
    inline = content.get("asset_type")
    if isinstance(inline, dict):
        content["asset_type"] = {"name": name, **inline}
    try:
        return Plant.model_validate({**content, "name": name, "folder": folder})
    except ValidationError as error:
        raise ConfigError(describe(error, where, Plant)) from error


def _require_name(name: str, content: dict[Any, Any], where: str) -> None:
    """Refuse a file whose name cannot be a plant's, and keys that the file's own place decides."""
    if not re.fullmatch(_NAME, name):
        raise ConfigError(
            f"{where}: the file's name is the plant's name: a letter, then letters, digits and underscores; "
            f"got '{name}'. Rename the file."
        )
    for key in ("name", "folder"):
        if key in content:
            raise ConfigError(f"{where}: {key}: the file's own {key} is the plant's. Remove this key.")


class _Loader(yaml.SafeLoader):
    """YAML as a person means it: a key may stand once, and 1e-3 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a doubled key, of which YAML would keep the last without a word."""
        seen: dict[Any, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and seen.setdefault(key.value, line) != line:
                raise yaml.YAMLError(
                    f"key '{key.value}' stands in line {seen[key.value]} and again in line {line}. Remove one."
                )
        return super().construct_mapping(node, deep)


# YAML 1.1 asks for a dot in 1.0e-3 and takes 1e-3 for text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def check_plug_ins(plant: Plant, where: str) -> None:
    """Refuse a source, feature set or detector that is not there, or an option that it does not take.

    Nothing is read and nothing computed: a typing mistake must not show after minutes of work.

    Raises
    ------
    ConfigError
        One line a mistake, opened by ``where``.
    """
    mistakes: list[str] = []

    def attempt(place: str, build: Callable[[], object]) -> None:
        try:
            build()
        except (ConfigError, SourceError) as error:
            mistakes.extend(f"{where}: {place}: {line}" for line in str(error).splitlines())

    sources, plan, detectors = (_folder.door(name) for name in ("sources", "features.plan", "detectors"))
    attempt("source", lambda: sources.build(plant.source).check(plant))
    for wanted in plant.features:
        attempt("features", lambda wanted=wanted: plan.build_set(wanted.name, wanted.options))  # type: ignore[misc]
    if not mistakes:
        attempt("features", lambda: plan.FeaturePlan.of(plant))
    for wanted in plant.candidates:
        attempt("candidates", lambda wanted=wanted: detectors.build(wanted.name, wanted.options))  # type: ignore[misc]
    if mistakes:
        raise ConfigError("\n".join(mistakes))
