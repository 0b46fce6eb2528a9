"""Every figure that the catalogue promises is drawn, written and shown; one that is missing says what it needs."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest

from wheeltapper.reporting import catalogue
from wheeltapper.reporting.catalogue import CATALOGUE
from wheeltapper.reporting.data import ReportData
from wheeltapper.reporting.figures.drawings import draw
from wheeltapper.reporting.report import render, write


class Images(HTMLParser):
    """The figures of a page: name in the caption → alt text of the image before it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.descriptions: dict[str, str] = {}
        self.alt = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.alt = dict(attributes)["alt"]

    def handle_data(self, data):
        for name in re.findall(r"^figures/(.+)[.]png$", data.strip()):
            self.descriptions[name] = self.alt


@pytest.fixture(scope="module")
def written(whole, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    path = write(whole, folder)
    return path.read_text(encoding="utf-8"), {file.stem: file for file in (folder / "figures").glob("*.png")}


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_each_figure_is_a_file_and_stands_in_the_page(entry, written):
    """A picture that is not empty lies beside the report, and the same name stands in the page with words."""
    html, files = written
    names = [name for name in files if entry.is_of(name)]
    assert names
    assert all(files[name].read_bytes().startswith(b"\x89PNG") for name in names)
    assert all(Images(html).descriptions[name] for name in names)


def test_nothing_is_drawn_that_the_catalogue_does_not_name(whole):
    """Every figure is in the list that readers see."""
    assert [drawing.name for drawing in draw(whole) if not any(entry.is_of(drawing.name) for entry in CATALOGUE)] == []


def test_the_page_has_each_chapter(written):
    """Every link of the list of figures leads somewhere."""
    html, _ = written
    assert {entry.chapter for entry in CATALOGUE} <= set(re.findall(r'<section id="([a-z]+)"', html))


def test_what_is_missing_says_what_it_needs(plant, data):
    """Without data no figure is drawn, and each has its reason in the list."""
    html = render(ReportData(plant=plant, generated_at=data.generated_at))
    assert html.count('<span class="tag">not drawn</span>') == len(CATALOGUE)
    text = unescape(html)
    assert all(f"It needs {entry.needs}." in text for entry in CATALOGUE)


def test_a_name_that_ends_in_a_star_stands_for_all_that_begin_like_it():
    """And for no others."""
    missing = {entry.name for entry in catalogue.missing(["score_over_time_pump-1", "alarms_over_day"])}
    assert "score_over_time_*" not in missing
    assert "alarm_*" in missing
    assert "alarms_over_day" not in missing


def drawn_for(row: str, written) -> set[str]:
    """Return the figures that answer a row of the survey, after seeing that each of them was written."""
    entries = [entry for entry in CATALOGUE if row in entry.rows.split(", ")]
    assert all(any(entry.is_of(name) for name in written[1]) for entry in entries)
    return {entry.name for entry in entries}


def test_confusion_and_importance_are_drawn(written):
    """Confusion matrices, and the features that moved the alarms most. Reference row 000-28."""
    assert drawn_for("000-28", written) == {"confusion_matrices", "feature_importance"}


def test_the_named_figures_are_written(written):
    """Data, detector, series, several sensors, kinds of fault, each kind's rate, state now, and delays.

    Reference row 000-31.
    """
    named = {"data_exploration", "detector_evaluation", "time_series_anomalies", "multi_sensor_anomalies"}
    assert drawn_for("000-31", written) == named | {
        "failure_types",
        "detection_by_kind",
        "dashboard",
        "detection_delay",
    }


def test_the_six_figures_are_written(written):
    """Profiles, series, confusion, both curves, and the comparison. Reference row 001-36."""
    named = {"sensor_profiles", "time_series_anomalies", "confusion_matrices", "roc_curves", "pr_curves"}
    assert drawn_for("001-36", written) == named | {"model_comparison"}


def test_the_figures_of_the_data_are_written(written):
    """Counts, counts of each machine, lines, scatter by time, histogram, box plot, ROC and heat map.

    Reference row 003-11.
    """
    named = {"data_exploration", "score_over_time_*", "time_series_anomalies", "alarms_over_day", "sensor_profiles"}
    assert named | {"sensor_boxes", "roc_curves", "confusion_matrices"} <= drawn_for("003-11", written)


def test_histograms_and_bars_are_written(written):
    """Normal against anomalous values of each sensor, and alarms of each machine and sensor. Reference row 004-07."""
    assert {"sensor_profiles", "alarms_by_asset_and_sensor"} <= drawn_for("004-07", written)
