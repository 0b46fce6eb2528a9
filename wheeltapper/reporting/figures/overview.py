"""Overview: the drawings of machines, alarms and data that need no judgement: what is, what rang, what came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wheeltapper.reporting.figures.alarm_counts import UNSAID, alarm_bars_figure, alarms_over_day_figure, leaders
from wheeltapper.reporting.figures.anomalies import SENSORS, anomalies_figure
from wheeltapper.reporting.figures.attribution import multi_sensor_figure
from wheeltapper.reporting.figures.drawing import Drawing
from wheeltapper.reporting.figures.exploration import PANELS, data_exploration_figure, sensor_boxes_figure
from wheeltapper.reporting.figures.profiles import sensor_profiles_figure
from wheeltapper.reporting.figures.state import MOST, dashboard_figure, states
from wheeltapper.reporting.text import words

if TYPE_CHECKING:
    from wheeltapper.reporting.data import ReportData


def machines_now(data: ReportData) -> Iterator[Drawing]:
    """Draw the newest state of every machine."""
    assets = words.in_order({str(name) for name in data.scores["asset_id"].unique()})
    last_seen = data.readings.groupby("asset_id")["timestamp"].max()
    state = states(data.scores, data.alarms, last_seen, assets, data.plant.max_gap)
    if state.empty:
        return
    left_out = len(state) - MOST
    some = f"; {words.things(left_out, 'quieter machine')} left out" if left_out > 0 else ""
    open_now, above = int(state["is_open"].sum()), int((state["severity"] > 1).sum())
    yield Drawing(
        "dashboard",
        "now",
        f"Every machine as of {words.instant(state['seen'].max())} UTC{some}",
        f"{words.things(len(state), 'machine')}: {words.things(open_now, 'open alarm')}, {above} above the threshold "
        f"now, {words.things(int(state['alarms'].sum()), 'alarm')} so far; the tables hold the figures.",
        dashboard_figure(state, data.alarms),
    )


def alarms_together(data: ReportData) -> Iterator[Drawing]:
    """Draw all alarms at once: their sensors over time, what moved together, how many, and at what hour."""
    yield from _anomalies(data)
    moved = {name: frame for name, frame in data.moved.items() if len(frame) > 1}
    if moved:
        yield Drawing(
            "multi_sensor_anomalies",
            "together",
            "What moved together: each sensor's part of the severity, window by window, round the strongest alarms",
            f"Strips of colour over time for {words.things(len(moved), 'alarm')}, one line a sensor; "
            "what stood out is said in words at each alarm.",
            multi_sensor_figure(moved, data.alarms),
        )
    if data.alarms.empty:
        return
    count = words.things(len(data.alarms), "alarm")
    yield Drawing(
        "alarms_by_asset_and_sensor",
        "tallies",
        f"{count}, by machine and by the sensor that led them",
        f"{count}. By machine: {_told(data.alarms['asset_id'].tolist())}. "
        f"By leading sensor: {_told(leaders(data.alarms))}.",
        alarm_bars_figure(data.alarms, data.faults),
    )
    yield Drawing(
        "alarms_over_day",
        "tallies",
        f"When the {count} opened: date and hour",
        f"{count} by date and hour of the day (UTC); the table of alarms holds the instants.",
        alarms_over_day_figure(data.alarms, data.faults),
    )


def _told(names: list[str]) -> str:
    counts = Counter(names)
    return words.listing([f"{name} {words.count(number)}" for name, number in counts.most_common()])


def _anomalies(data: ReportData) -> Iterator[Drawing]:
    """Draw the sensors of the machine that rang most, over all its scored time."""
    if data.alarms.empty or data.readings.empty:
        return
    asset = data.alarms["asset_id"].value_counts().sort_index(kind="stable").idxmax()
    readings, scores, faults, alarms = (
        frame[frame["asset_id"] == asset] for frame in (data.readings, data.scores, data.faults, data.alarms)
    )
    named = [name for name, _ in Counter(leaders(alarms)).most_common() if name != UNSAID]
    sensors = list(dict.fromkeys([*named, *data.plant.asset_type.sensors]))
    inside = readings["timestamp"].between(scores["window_end"].min(), scores["window_end"].max())
    known = [name for name in sensors if name in readings and readings.loc[inside, name].notna().any()]
    if scores.empty or not known:
        return
    odd = int((scores["severity"] > 1).sum())
    yield Drawing(
        "time_series_anomalies",
        "series",
        f"{asset}, which rang most: its sensors and {words.things(odd, 'anomalous window')}",
        f"{words.listing(known[:SENSORS])} of {asset} over the scored time, "
        f"{words.things(odd, 'anomalous window')} marked.",
        anomalies_figure(readings, scores, faults, data.plant.asset_type, known),
    )


def what_came(data: ReportData) -> Iterator[Drawing]:
    """Draw the readings themselves: how many, when, what is missing, which values."""
    if data.readings.empty:
        return
    known = data.plant.asset_type.sensors
    yield Drawing(
        "data_exploration",
        "exploration",
        "What came in",
        f"{words.things(len(data.readings), 'reading')} by machine, time and regime, and what is missing by sensor; "
        "the table of sensors holds what is missing.",
        data_exploration_figure(data.readings, list(known)),
    )
    present = [name for name in known if name in data.readings and data.readings[name].notna().any()]
    if not present:
        return
    yield _profiles(data)
    some = f" ({PANELS} of {len(present)} sensors)" if len(present) > PANELS else ""
    yield Drawing(
        "sensor_boxes",
        "profiles",
        f"Where each sensor's values lie in each regime{some}: box 25 to 75 %, line the median, whiskers 1 and 99 %",
        "Box plots of each sensor by regime; the table of sensors holds lowest, middle and highest values.",
        sensor_boxes_figure(data.readings, data.plant.asset_type, leaders(data.alarms)),
    )


def _profiles(data: ReportData) -> Drawing:
    """Compare normal running with known faults; with alarms where no fault is known."""
    spans, what = data.faults, "in a fault"
    if spans.empty and len(data.alarms):
        spans, what = data.alarms.rename(columns={"opened_at": "start", "last_at": "end"}), "in an alarm"
    return Drawing(
        "sensor_profiles",
        "profiles",
        f"How often each sensor shows which value{f', normal and {what}' if len(spans) else ''}",
        "Histograms of each sensor's values; the table of sensors holds lowest, middle and highest ones.",
        sensor_profiles_figure(data.readings, spans, data.plant.asset_type, inside_what=what),
    )
