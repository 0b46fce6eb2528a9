"""Readings in; what they mean out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Response

from wheeltapper.scoring.alarm_state import Alarm
from wheeltapper.scoring.live import Transition
from wheeltapper.serving.access import require
from wheeltapper.serving.bodies import ReadingsBody, TakenBody
from wheeltapper.serving.live_plant import Meaning, Taken
from wheeltapper.serving.routes.served import Named

router = APIRouter(tags=["readings"], dependencies=[Depends(require("write"))])

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@router.post("/v1/plants/{plant}/readings", response_model=TakenBody, summary="Send readings")
async def take_readings(plant: Named, body: ReadingsBody) -> Response:
    """Take readings in, one or a list, and say what each means.

    When the answer comes, they are on the disk. Sending the same readings again changes nothing; the answer has their
    scores again, without sensors. Readings may be late and out of order; of two for one machine and instant the later
    arrival counts.
    """
    taken = await plant.take(body.readings())
    return Response(orjson.dumps(as_body(taken)), media_type="application/json")


def as_body(taken: Taken) -> dict[str, Any]:
    """Write what readings mean as plain JSON: the fields of `TakenBody`."""
    return {
        "bundle": taken.bundle,
        "entry": taken.number,
        "readings": [meaning_body(meaning) for meaning in taken.meanings],
        "transitions": [transition_body(transition) for transition in taken.transitions],
    }


def meaning_body(meaning: Meaning) -> dict[str, Any]:
    """Write the meaning of one reading: the fields of `MeaningBody`."""
    return {
        "asset_id": meaning.asset_id,
        "timestamp": instant(meaning.time),
        "status": meaning.status,
        "regime": meaning.regime,
        "window_end": None if meaning.window_end is None else instant(meaning.window_end),
        "is_anomalous": meaning.is_anomalous,
        "severity": meaning.severity,
        "score": meaning.score,
        "threshold": meaning.threshold,
        "challenger_severity": meaning.challenger_severity,
        "tier": meaning.tier,
        "sensors": [
            {
                "sensor": finding.sensor,
                "share": finding.share,
                "value": finding.value,
                "normal": finding.normal,
                "deviations": finding.deviations,
                "change": finding.change,
            }
            for finding in meaning.findings
        ],
    }


def transition_body(transition: Transition) -> dict[str, Any]:
    """Write what changed about an alarm: the fields of `TransitionBody`."""
    return alarm_body(transition.asset_id, transition.change, transition.alarm, transition.was_opened_at)


def alarm_body(asset_id: str, change: str, alarm: Alarm, was_opened_at: int) -> dict[str, Any]:
    """Write an alarm of the live state: the fields of `TransitionBody`."""
    return {
        "asset_id": asset_id,
        "change": change,
        "opened_at": instant(alarm.opened_at),
        "was_opened_at": instant(was_opened_at),
        "last_at": instant(alarm.last_at),
        "peak_severity": alarm.peak_severity,
        "regime": alarm.regime,
    }


def instant(micros: int) -> str:
    """Write a time in microseconds since the epoch as text."""
    time = _EPOCH + timedelta(microseconds=micros)
    return time.isoformat().replace("+00:00", "Z")
