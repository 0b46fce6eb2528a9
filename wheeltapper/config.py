"""The plant on one page: pydantic models of ``conf/*.yaml``, and the settings of this machine.

Everything is frozen and refuses keys that it does not know; a wrong key gets its near miss.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from wheeltapper import _folder
from wheeltapper.errors import ConfigError

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


def _as_utc(value: Any) -> Any:
    """Read a YAML date or time as UTC where it names no zone."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if hasattr(value, "year") and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_as_utc)]


class Model(BaseModel):
    """A frozen piece of configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Sensor(Model):
    """One measured quantity of an asset."""

    unit: str = Field(description="engineering unit, such as bar, mm/s or °C; 1 for a pure number")
    low: float | None = Field(None, description="lowest value that the sensor can show, in its unit")
    high: float | None = Field(None, description="highest value that the sensor can show, in its unit")
    description: str = Field("", description="what it measures, for people")

    @field_validator("unit", mode="before")
    @classmethod
    def _is_a_unit(cls, unit: Any) -> str:
        import pint

        try:
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
        return self

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
}


class PlugIn(Model):
    """A plug-in by its file's name, with its options: ``lof`` or ``lof: {n_neighbors: 20}``."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and set(value) != {"name", "options"} and set(value) != {"name"}:
            if len(value) != 1:
                raise ValueError(f"expected one name with its options, got {sorted(map(str, value))}")
            ((name, options),) = value.items()
            return {"name": name, "options": options or {}}
        return value


class Windows(Model):
    """How readings are cut into windows."""

    rows: int = Field(5, ge=2, description="readings in a window")
    every: int = Field(1, ge=1, description="readings between the ends of two windows")
    max_gap: Duration | None = Field(
        None, description="a longer pause ends a stretch of readings; by default three times the asset type's step"
    )


class PartsByFraction(Model):
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


class PartsByDate(Model):
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


class PartsByFirstRows(Model):
    """Learn from the first readings of each asset; judge the rest.

    Every other asset (in the order of their names) judges candidates, the remaining ones are the test part:
    the champion is chosen on assets that the test does not see.
    """

    by: Literal["first_rows"] = "first_rows"
    train: int = Field(ge=10, description="readings of each asset that candidates are fitted on")
    calibrate: int = Field(ge=10, description="readings after them that set the threshold")


class PartsByFiles(Model):
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
            return _folder.load_module("assets", value).ASSET_TYPE
        return value

    @property
    def max_gap(self) -> timedelta:
        """The longest pause inside a window."""
        return self.windows.max_gap or 3 * self.asset_type.step

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


def conf_folder() -> Path:
    """Return the folder of the plants: ``conf/`` here, else beside the checkout's library."""
    here = Path("conf")
    return here if here.is_dir() else Path(__file__).parent.parent / "conf"


def plant_files() -> dict[str, Path]:
    """List the plants of ``conf/`` by name."""
    return {path.stem: path for path in sorted(conf_folder().glob("*.yaml"))}


def load(plant: str) -> Plant:
    """Read one plant: a name in ``conf/`` or the path of a YAML file.

    Raises
    ------
    ConfigError
        If there is no such plant, or its YAML says something that is not understood. The message names the
        key, what was expected and the near miss.
    """
    path = Path(plant)
    if path.suffix not in (".yaml", ".yml"):
        known = plant_files()
        if plant not in known:
            raise ConfigError(
                f"no plant named '{plant}'; {conf_folder()}/ has {list(known)}.{_folder.near_miss(plant, list(known))}"
            )
        path = known[plant]
    if not path.is_file():
        raise ConfigError(f"no such file: {path}. Give the name of a plant in conf/ or the path of its YAML file.")
    return parse(path.read_text(encoding="utf-8"), name=path.stem, folder=path.resolve().parent, where=str(path))


def parse(text: str, *, name: str, folder: Path, where: str) -> Plant:
    """Turn a plant's YAML text into a `Plant`; ``where`` opens every message."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{where} is empty or not a mapping; see conf/pump_station.yaml for an example.")
    inline = content.get("asset_type")
    if isinstance(inline, dict):
        content["asset_type"] = {"name": name, **inline}
    try:
        return Plant.model_validate({"name": name, "folder": folder, **content})
    except ValidationError as error:
        raise ConfigError(describe(error, where, Plant)) from error


def describe(error: ValidationError, where: str, model: type[BaseModel]) -> str:
    """Say what is wrong in a plant's file: one line a mistake, with the near miss of an unknown key."""
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            key = str(problem["loc"][-1])
            known = _known_keys(model, problem["loc"][:-1])
            message = f"unknown key '{key}'.{_folder.near_miss(key, known)}"
            message += f" Known here: {', '.join(known)}." if known else ""
        elif problem["type"] == "missing":
            message = "is missing"
        lines.append(f"{where}: {place}: {message}")
    return "\n".join(lines)


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Follow an error's location through the models and list the keys that are allowed there."""
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        inner = _models_in(field.annotation)
        if not inner:
            return []
        tag = str(location[-1])
        model = next((one for one in inner if tag in _tags(one)), inner[0])
    return [field.alias or name for name, field in model.model_fields.items() if name not in ("name", "folder")]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Find the pydantic models inside an annotation such as ``dict[str, Sensor]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the values of ``by`` that choose this model in a union."""
    field = model.model_fields.get("by")
    return () if field is None else tuple(field.annotation.__args__)  # type: ignore[union-attr]
