"""Figures show what they were given, and refuse to be empty."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import num2date
from matplotlib.patches import Rectangle

from tests.unit.reporting.conftest import UNJUDGED, alarm_of, faults_of, judgement, minute, readings_of, scores_of
from wheeltapper import tables
from wheeltapper.errors import DataError
from wheeltapper.evaluation.curves import window_curves
from wheeltapper.reporting.alarm_rows import ranked_sensors
from wheeltapper.reporting.figures import canvas, comparison, timeline
from wheeltapper.reporting.figures.alarm import alarm_figure
from wheeltapper.reporting.figures.candidate import draw_candidate
from wheeltapper.reporting.figures.profiles import inside, sensor_profiles_figure

NO_FAULTS, NO_ALARMS = tables.FAULTS.empty(), tables.ALARMS.empty()


def texts(figure):
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text()]


def test_a_confusion_matrix_shows_its_four_numbers():
    """Each count stands in the figure, with its share of the row."""
    shown = texts(comparison.confusion_figure({"lof": {"tp": 30, "fp": 20, "fn": 10, "tn": 980}}))
    assert {"30", "20", "10", "980", "75\u00a0%", "25\u00a0%", "lof"} <= set(shown)


def test_a_single_confusion_needs_no_name():
    """For MLflow, one set of counts is enough."""
    assert "7" in texts(comparison.confusion_figure({"tp": 7, "fp": 0, "fn": 0, "tn": 0}))


NAMING = {"kinds": {"cavitation": {"cavitation": 17, "stuck": 3}, "drift": {"unknown": 4, "missed": 5}}}


def test_a_matrix_of_kinds_shows_what_alarms_named():
    """Every count is in the figure; kinds that were never true, unknown and missed follow the true kinds."""
    assert comparison.columns_of(NAMING["kinds"]) == ["cavitation", "drift", "stuck", "unknown", "missed"]
    shown = texts(comparison.naming_figure(NAMING))
    assert {"17", "3", "4", "5", "cavitation", "stuck", "unknown", "missed"} <= set(shown)
    assert "0" not in shown


@pytest.mark.parametrize(
    "draw",
    [
        lambda: comparison.confusion_figure({}),
        lambda: comparison.naming_figure({"kinds": {}}),
        lambda: comparison.roc_figure({}),
        lambda: comparison.pr_figure({}, 0.1),
        lambda: comparison.comparison_figure([]),
        lambda: timeline.score_figure(tables.SCORES.empty(), NO_FAULTS, NO_ALARMS, "p"),
    ],
)
def test_an_empty_figure_is_refused(draw):
    """Nothing to draw is an error that says so, never an empty picture."""
    with pytest.raises(DataError, match="expected"):
        draw()


def test_an_unjudged_figure_is_written_as_such():
    """Where one candidate has no figure, the words stand in its place."""
    board = [judgement("lof"), judgement("always_normal", vus_pr=None)]
    assert "not judged" in texts(comparison.comparison_figure(board, budget=1.0))


def test_a_measure_that_nobody_has_is_left_out():
    """Without known faults only false alarms are compared."""
    figure = comparison.comparison_figure([judgement("lof", **UNJUDGED)])
    assert sum(axes.get_visible() for axes in figure.axes) == 1


def test_severity_is_drawn_where_it_was_measured():
    """The line goes through the peak, the threshold lies at 1."""
    figure = timeline.score_figure(scores_of("p", [0.1, 5.0, 0.2]), NO_FAULTS, NO_ALARMS, "p")
    line, threshold = figure.axes[0].lines[:2]
    assert line.get_ydata().tolist() == [0.1, 5.0, 0.2]
    assert num2date(line.get_xdata()[1]) == minute(1)
    assert set(threshold.get_ydata()) == {1.0}
    assert figure.axes[0].get_ylim()[1] > 5


def test_faults_alarms_and_parts_have_lanes_of_their_own():
    """Three lanes, named, with a bar from start to end."""
    scores, parts = scores_of("p", [0.1] * 9), {"train": (minute(0), minute(4)), "test": (minute(4), minute(8))}
    faults, alarms = faults_of(("p", 2, 5, "wear")), alarm_of("p", 3, 6)
    figure = timeline.score_figure(scores, faults, alarms, "p", parts)
    lanes = figure.axes[1]
    assert [label.get_text() for label in lanes.get_yticklabels()] == ["parts", "true faults", "alarms"]
    box = lanes.collections[2].get_paths()[0].get_extents()
    assert num2date(box.x0) == minute(2)
    assert num2date(box.x1) == minute(5)
    assert "train" in texts(figure)


def test_an_empty_lane_says_none():
    """A lane without a fault or an alarm is labelled as empty."""
    assert texts(timeline.score_figure(scores_of("p", [0.1, 0.2]), NO_FAULTS, NO_ALARMS, "p")).count("none") == 2


def test_one_score_is_enough():
    """An asset that was scored once still has a timeline (and no warning)."""
    canvas.to_png(timeline.score_figure(scores_of("p", [0.4]), NO_FAULTS, NO_ALARMS, "p"))


def test_two_assets_in_one_timeline_are_refused():
    """Their lines would be mixed up."""
    both = pd.concat([scores_of("p", [0.1]), scores_of("q", [0.1])])
    with pytest.raises(DataError, match="scores of 2 assets"):
        timeline.score_figure(both, NO_FAULTS, NO_ALARMS, "p")


def test_an_alarm_shows_its_own_sensor_and_what_is_usual():
    """The ranked sensor is drawn with its unit; the other is not."""
    readings = readings_of("p", [8.0] * 10 + [5.0] * 5)
    figure = alarm_figure(readings, alarm_of("p", 11, 14).iloc[0], _type(), NO_FAULTS)
    assert [axes.get_ylabel() for axes in figure.axes] == ["pressure\n(bar)"]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [8.0] * 10 + [5.0] * 5


def test_an_alarm_without_readings_is_refused():
    """The message names the asset and the stretch that is missing."""
    with pytest.raises(DataError, match="q has no readings from"):
        alarm_figure(readings_of("p", [1.0, 2.0]), alarm_of("q", 0, 1).iloc[0], _type())


def test_an_alarms_sensors_must_be_a_list():
    """Another JSON is refused with the alarm's name."""
    alarm = alarm_of("p", 0, 1).iloc[0].copy()
    alarm["sensors"] = json.dumps([{"name": "pressure"}])
    with pytest.raises(DataError, match="alarm a1"):
        ranked_sensors(alarm)


def test_the_parts_of_an_asset_without_a_test_part():
    """Cuts beyond the data leave those parts out."""
    never = pd.Timestamp("2262-01-01", tz="UTC")
    cuts = {"calibrate_from": minute(3), "validate_from": minute(5), "test_from": never}
    assert timeline.part_spans(minute(0), minute(9), cuts) == {
        "train": (minute(0), minute(3)),
        "calibrate": (minute(3), minute(5)),
        "validate": (minute(5), minute(9)),
    }


def test_profiles_tell_faulty_readings_from_normal_ones():
    """Two of four readings lie in the fault, its ends included; another asset's fault does not count."""
    readings = readings_of("p", [1.0, 2.0, 3.0, 4.0])
    faults = faults_of(("p", 1, 2, "wear"), ("q", 0, 9, "wear"))
    assert inside(readings["asset_id"], readings["timestamp"], faults).tolist() == [False, True, True, False]
    assert {"pressure", "ratio", "normal", "in a fault"} <= set(
        texts(sensor_profiles_figure(readings, faults, _type()))
    )


def test_curves_by_hand():
    """Scores that rank perfectly reach the upper corner, and thinning keeps both ends."""
    scores = np.linspace(0, 1, 5000)
    curves = window_curves(scores > 0.9, scores)
    assert (0.0, 1.0) in zip(*curves["roc"], strict=True)
    assert curves["roc"][0][0] == curves["roc"][1][0] == 0.0
    assert curves["roc"][0][-1] == curves["roc"][1][-1] == 1.0
    assert len(curves["pr"][0]) < 1500
    with pytest.raises(DataError, match="0 inside of 2"):
        window_curves(np.zeros(2, dtype=bool), np.ones(2))


def test_strange_names_are_drawn_as_they_are():
    """Dollar signs are no formula, control characters no broken file, other scripts no warning."""
    name = "pump $\\frac{1}$ <b>\x00 泵"
    svg = canvas.to_svg(timeline.score_figure(scores_of("p", [0.4, 0.5]), NO_FAULTS, NO_ALARMS, name))
    assert "pump $\\frac{1}$ &lt;b&gt;  泵" in svg
    assert "\x00" not in svg


def test_the_same_figure_is_the_same_text():
    """Nothing random or dated is in the SVG, and its colours follow the reader's screen."""
    draw = lambda: canvas.to_svg(timeline.score_figure(scores_of("p", [0.4, 3.0]), NO_FAULTS, NO_ALARMS, "p"))  # noqa: E731
    first = draw()
    assert first == draw()
    assert "prefers-color-scheme: dark" in first
    assert f"fill: {canvas.INK}" not in first


def test_two_hundred_thousand_points_are_thinned():
    """A year of readings is drawn with a few thousand points, the spike among them."""
    times = pd.date_range("2026-01-01", periods=200_000, freq="min", tz="UTC")
    severity = np.full(200_000, 0.3)
    severity[777] = 50.0
    rows = scores_of("p", [0.0]).loc[[0] * 200_000].assign(window_end=times, severity=severity)
    figure = timeline.score_figure(rows, NO_FAULTS, NO_ALARMS, "p")
    drawn = figure.axes[0].lines[0].get_ydata()
    assert len(drawn) < 4_000
    assert np.nanmax(drawn) == 50.0


def _type():
    from wheeltapper.config import AssetType

    return AssetType(name="pump", step="1min", sensors={"pressure": {"unit": "bar"}, "ratio": {"unit": "1"}})


@pytest.mark.parametrize("printed", [canvas.to_svg, canvas.to_png])
def test_a_figure_is_drawn_once_for_each_file(printed):
    """Drawing takes most of a report's time; matplotlib draws twice where it also computes the layout."""
    drawn = []

    class Counted(Rectangle):
        def draw(self, renderer):
            drawn.append(renderer)
            super().draw(renderer)

    figure = canvas.blank()
    figure.subplots().add_artist(Counted((0.2, 0.2), 0.5, 0.5))
    printed(figure)
    assert len(drawn) == 1
    printed(figure)
    assert len(drawn) == 2


def test_a_candidates_pictures_are_png_files():
    """MLflow shows its scores, its confusion and its curves."""
    scores = scores_of("pump-01", [0.1, 0.2, 3.0, 0.1])
    result = SimpleNamespace(
        label="lof",
        judgement={"confusion": {"tp": 1, "fp": 0, "fn": 0, "tn": 3}, "base_rate": 0.25},
        curves={"roc": ([0.0, 1.0], [0.0, 1.0]), "pr": ([0.0, 1.0], [1.0, 0.25])},
    )
    trained = SimpleNamespace(scores=scores, alarms=NO_ALARMS)
    pictures = draw_candidate(result, trained, SimpleNamespace(faults=NO_FAULTS))
    assert list(pictures) == ["scores.png", "confusion.png", "roc.png", "precision_recall.png"]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
