"""Overview: the drawings of machines, alarms and readings, which need no known faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wheeltapper.reporting.figures.alarm_counts import NO_SENSOR, alarm_bars_figure, alarms_over_day_figure, leaders
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
    remark = f"; {words.things(left_out, 'less urgent machine')} left out" if left_out > 0 else ""
    open_now, above = int(state["is_open"].sum()), int((state["severity"] > 1).sum())
    yield Drawing(
        "dashboard",
        "now",
        f"State of every machine at {words.instant(state['seen'].max())} UTC{remark}",
        f"{words.things(len(state), 'machine')}: {words.things(open_now, 'open alarm')}, {above} above the threshold "
        f"now, {words.things(int(state['alarms'].sum()), 'alarm')} so far. The tables contain the figures.",
        dashboard_figure(state, data.alarms),
    )


def alarms_together(data: ReportData) -> Iterator[Drawing]:
    """Draw all alarms together: their sensors over time, how many there are, and at what hour they opened."""
    yield from _anomalies(data)
    moved = {name: frame for name, frame in data.moved.items() if len(frame) > 1}
    if moved:
        yield Drawing(
            "multi_sensor_anomalies",
            "together",
            "Which sensors moved together: each sensor's part of the severity over time, for the strongest alarms",
            f"Coloured strips over time for {words.things(len(moved), 'alarm')}, one line for each sensor. "
            "The text at each alarm names the sensors.",
            multi_sensor_figure(moved, data.alarms),
        )
    if data.alarms.empty:
        return
    count = words.things(len(data.alarms), "alarm")
    yield Drawing(
        "alarms_by_asset_and_sensor",
        "counts",
        f"{count}, by machine and by leading sensor",
        f"{count}. By machine: {_counts(data.alarms['asset_id'].tolist())}. "
        f"By leading sensor: {_counts(leaders(data.alarms))}.",
        alarm_bars_figure(data.alarms, data.faults),
    )
    yield Drawing(
        "alarms_over_day",
        "counts",
        f"Date and hour at which the {count} opened",
        f"{count} by date and hour of the day (UTC). The table of alarms contains the times.",
        alarms_over_day_figure(data.alarms, data.faults),
    )


def _counts(names: list[str]) -> str:
    counts = Counter(names)
    return words.listing([f"{name} {words.count(number)}" for name, number in counts.most_common()])


def _anomalies(data: ReportData) -> Iterator[Drawing]:
    """Draw the sensors of the machine with the most alarms, over all its scored time."""
    if data.alarms.empty or data.readings.empty:
        return
    asset = data.alarms["asset_id"].value_counts().sort_index(kind="stable").idxmax()
    readings, scores, faults, alarms = (
        frame[frame["asset_id"] == asset] for frame in (data.readings, data.scores, data.faults, data.alarms)
    )
    leading = [name for name, _ in Counter(leaders(alarms)).most_common() if name != NO_SENSOR]
    candidates = list(dict.fromkeys([*leading, *data.plant.asset_type.sensors]))
    inside = readings["timestamp"].between(scores["window_end"].min(), scores["window_end"].max())
    sensors = [name for name in candidates if name in readings and readings.loc[inside, name].notna().any()]
    if scores.empty or not sensors:
        return
    anomalous = words.things(int((scores["severity"] > 1).sum()), "anomalous window")
    yield Drawing(
        "time_series_anomalies",
        "series",
        f"{asset}, the machine with the most alarms: its sensors and {anomalous}",
        f"{words.listing(sensors[:SENSORS])} of {asset} over the scored time, with {anomalous} marked.",
        anomalies_figure(readings, scores, faults, data.plant.asset_type, sensors),
    )


def readings_in_figures(data: ReportData) -> Iterator[Drawing]:
    """Draw the readings themselves: how many, when, which are missing, and their values."""
    if data.readings.empty:
        return
    sensors = data.plant.asset_type.sensors
    yield Drawing(
        "data_exploration",
        "exploration",
        "The readings of this plant",
        f"{words.things(len(data.readings), 'reading')} by machine, time and regime, and the share of missing values "
        "by sensor. The table of sensors contains these shares.",
        data_exploration_figure(data.readings, list(sensors)),
    )
    present = [name for name in sensors if name in data.readings and data.readings[name].notna().any()]
    if not present:
        return
    yield _profiles(data)
    remark = f" ({PANELS} of {len(present)} sensors)" if len(present) > PANELS else ""
    yield Drawing(
        "sensor_boxes",
        "profiles",
        f"Values of each sensor in each regime{remark}. Box: 25 % to 75 %; line: median; whiskers: 1 % and 99 %",
        "Box plots of each sensor by regime. The table of sensors contains the lowest, median and highest values.",
        sensor_boxes_figure(data.readings, data.plant.asset_type, leaders(data.alarms)),
    )


def _profiles(data: ReportData) -> Drawing:
    """Compare normal running with known faults; with alarms where no fault is known."""
    spans, label = data.faults, "in a fault"
    if spans.empty and len(data.alarms):
        spans, label = data.alarms.rename(columns={"opened_at": "start", "last_at": "end"}), "in an alarm"
    return Drawing(
        "sensor_profiles",
        "profiles",
        f"How often each sensor has which value{f', in normal running and {label}' if len(spans) else ''}",
        "Histograms of each sensor's values. The table of sensors contains the lowest, median and highest values.",
        sensor_profiles_figure(data.readings, spans, data.plant.asset_type, inside_label=label),
    )
