"""What a client sends and gets: the forms of the service's own routes, as its OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel

from wheeltapper.errors import RefusedReadingError
from wheeltapper.sources.live.reading import LiveReading

MOST = 10_000
"""Readings of one request."""

Value = float | str | None


class ReadingBody(BaseModel):
    """One reading: with all its values, with each sensor as a field of its own, or of one sensor."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {"asset_id": "pump_1", "timestamp": "2026-03-02T08:00:00Z", "values": {"flow": 61.2, "pressure": 4.1}},
                {"asset_id": "pump_1", "timestamp": "2026-03-02T08:00:00Z", "flow": 61.2, "pressure": 4.1},
                {"asset_id": "pump_1", "timestamp": "2026-03-02T08:00:00Z", "sensor": "flow", "value": 61.2},
            ]
        },
    )

    asset_id: Annotated[str, Field(min_length=1, max_length=200, description="The machine.")]
    timestamp: Annotated[AwareDatetime, Field(description="When it was measured, with a time zone.")]
    regime: Annotated[str | None, Field(max_length=200, description="Operating state; `normal` by default.")] = None
    values: Annotated[dict[str, Value] | None, Field(description="Sensor → value; null where there is none.")] = None
    sensor: Annotated[str | None, Field(description="One sensor's name, with `value`.")] = None
    value: Annotated[Value, Field(description="The value of `sensor`.")] = None

    def sensors(self) -> dict[str, Any]:
        """Return sensor → value, whichever way they were written."""
        named = dict(self.values or {}) | (self.model_extra or {})
        if self.sensor is None and "value" not in self.model_fields_set:
            return named
        return named | {self.sensor or "value": self.value}  # a sensor may have the name "value"


class ReadingsBody(RootModel[Annotated[list[ReadingBody], Field(min_length=1, max_length=MOST)] | ReadingBody]):
    """One reading or a list of them."""

    def readings(self) -> list[LiveReading]:
        """Return what was sent; the rows of one machine and instant that name single sensors are one reading."""
        bodies = self.root if isinstance(self.root, list) else [self.root]
        if all(body.sensor is None for body in bodies):
            return [_reading(place, body, body.sensors()) for place, body in enumerate(bodies)]
        together: dict[tuple[str, datetime], tuple[int, ReadingBody, dict[str, Any]]] = {}
        for place, body in enumerate(bodies):
            values = together.setdefault((body.asset_id, body.timestamp), (place, body, {}))[2]
            values.update(body.sensors())
        return [_reading(*row) for row in together.values()]


def _reading(place: int, body: ReadingBody, sensors: dict[str, Any]) -> LiveReading:
    values = {name: value for name, value in sensors.items() if value is not None}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise RefusedReadingError(place, name, f"{name}: expected a number, got {type(value).__name__}")
    return LiveReading(body.asset_id, body.timestamp, values, body.regime)


class SensorBody(BaseModel):
    """What a sensor has to do with an anomalous window."""

    sensor: str
    share: Annotated[float, Field(description="Part of the score that it accounts for, from 0 to 1.")]
    value: float | None
    normal: Annotated[float | None, Field(description="What is normal in this operating state.")]
    deviations: Annotated[float, Field(description="Usual deviations between the two.")]
    change: Annotated[str, Field(description="The same in words.")]


class MeaningBody(BaseModel):
    """What one reading means."""

    asset_id: str
    timestamp: datetime
    status: Annotated[
        str,
        Field(
            description="`scored`; or why not: `insufficient_history`, `not_yet` (a grid's cell is not over), `learnt` "
            "(the model has learnt from this time), else why the window cannot be used."
        ),
    ]
    regime: str
    window_end: Annotated[
        datetime | None,
        Field(description="End of the window that is scored; on a grid, of the last cell that the reading shows over."),
    ]
    is_anomalous: bool
    severity: Annotated[float | None, Field(description="1 is where anomalous begins.")]
    score: float | None
    threshold: float | None
    challenger_severity: float | None
    tier: Annotated[str, Field(description="How soon to look, where it is anomalous: critical, high or medium.")]
    sensors: list[SensorBody]


class TransitionBody(BaseModel):
    """What changed about an alarm."""

    asset_id: str
    change: Literal["opened", "updated", "closed", "withdrawn"]
    opened_at: datetime
    was_opened_at: datetime
    last_at: datetime
    peak_severity: float
    regime: str


class TakenBody(BaseModel):
    """The answer to readings: they are on the disk."""

    bundle: Annotated[str, Field(description="Hash of the champion.")]
    entry: Annotated[int, Field(description="Number of these readings in the plant's journal.")]
    readings: list[MeaningBody]
    transitions: list[TransitionBody]


class AssetBody(BaseModel):
    """A machine as it is now."""

    asset_id: str
    newest_reading: datetime
    alarm: TransitionBody | None


class ModelBody(BaseModel):
    """A model that is served."""

    plant: str
    role: str
    detector: str
    bundle: str
    since: datetime
