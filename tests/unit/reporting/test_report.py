"""The report contains everything that is known, names what is unknown, and contains no script."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from tests.unit.reporting.conftest import UNJUDGED, alarm_of, faults_of, judgement, minute, readings_of, scores_of
from wheeltapper import tables
from wheeltapper.config import PartsByAssets
from wheeltapper.evaluation.leaderboard import BY_NAME, BY_SELF_TEST
from wheeltapper.reporting import report
from wheeltapper.reporting.data import ReportData
from wheeltapper.reporting.figures import drawings
from wheeltapper.reporting.report import render, write
from wheeltapper.reporting.text import words
from wheeltapper.reporting.text.summary import maturity_sentence

EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)> $x$ ../../etc"


class Page(HTMLParser):
    """What a browser sees: tags, attributes, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def sources(self):
        return [value for tag, name, value in self.attributes if tag == "img" and name == "src"]


@pytest.fixture(scope="module")
def html(data) -> str:
    return render(data)


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_every_part_of_the_story_is_in_the_report(page):
    """Verdict, reasons, gates, leaderboard, machines, alarms, data, features and origin are all there."""
    for sentence in (
        "Promote: lof",
        "cheaper than k_sigma",
        "✓ passed",
        "✗ failed",
        "not judged",
        "Found in the test part: 3 of 4 faults",
        "0.50 false alarms per asset and week (95 % interval 0.060 to 1.8); you accept 1.",
        "pump-1: 1 true fault and 1 alarm",
        "pressure −38 %",
        "20 rows kept",
        "3 rows in quarantine",
        "pressure above 12 bar",
        "pressure__mean",
        "abc123",
        "wheeltapper up",
        "written 2026-02-04 06:30 UTC",
    ):
        assert sentence in page.text, sentence
    assert not page.open


def test_baselines_are_printed_above_the_models(page):
    """The baseline comes first although it was passed last."""
    text = page.text
    board = text[text.index("Baselines come first") :]
    assert board.index("k_sigma") < board.index("lof")


def test_the_file_needs_no_other_file(page, html):
    """No script, no style sheet, no font and no image comes from outside; every image is in the page."""
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources())
    assert len(page.sources()) == 16
    assert not re.search(r"url\(|@import|https?://", re.sub(r'src="data:[^"]*"', "", html))


def test_every_figure_says_what_it_shows(page):
    """Each image has a description for readers who cannot see it."""
    descriptions = [value for tag, name, value in page.attributes if tag == "img" and name == "alt"]
    assert len(descriptions) == len(page.sources())
    assert all(descriptions)


def test_nothing_from_data_runs(data, plant):
    """Names, reasons, links and notes that look like HTML are shown as text, wherever they come from."""
    bad = replace(
        data,
        title=EVIL,
        verdict=EVIL,
        leaderboard=[judgement(EVIL, notes=(EVIL,), by_kind=())],
        champion=EVIL,
        reasons=[EVIL],
        gates=[{"name": EVIL, "passed": True, "figure": EVIL, "limit": EVIL, "reason": EVIL}],
        readings=readings_of(EVIL, [8.0] * 10),
        scores=scores_of(EVIL, [0.1] * 10),
        faults=faults_of((EVIL, 2, 3, EVIL)),
        alarms=alarm_of(EVIL, 4, 5, name=EVIL, why=EVIL),
        parts=None,
        quarantine={EVIL: 1},
        features=[EVIL],
        provenance={EVIL: {EVIL: EVIL}},
        links={"data_docs": "javascript:alert(1)//.", EVIL: 'x.html"onclick="alert(1)'},
    )
    page = Page(render(bad))
    assert "script" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert not [value for _, name, value in page.attributes if name == "href" and "javascript" in value]
    assert all(source.startswith("data:") for source in page.sources())
    assert page.text.count("<script>alert('x')</script>") > 15


def test_an_empty_report_says_so(plant, data):
    """Without a champion, scores or data there are words, no figures and no 'nan' or 'None'."""
    page = Page(render(ReportData(plant=plant, generated_at=data.generated_at)))
    assert page.sources() == []
    for sentence in (
        "No verdict",
        "judged no candidate",
        "no scores yet",
        "no alarms",
        "no readings",
        "cannot be traced",
    ):
        assert sentence in page.text, sentence
    assert not re.search(r"\b(nan|None|NaT|inf)\b", page.text)


def test_unjudgeable_figures_are_words(data):
    """With no fault known, nothing is nan, zero or perfect: it is 'not judged'."""
    bare = replace(
        data,
        leaderboard=[judgement("lof", notes=("cannot be judged: no faults known",), **UNJUDGED)],
        faults=tables.FAULTS.empty(),
        alarms=tables.ALARMS.empty(),
        roc={},
        pr={},
    )
    text = Page(render(bare)).text
    assert "cannot be judged: no faults known" in text
    assert "There are no alarms" in text
    assert "No confusion matrix and no curve can be drawn" in text
    assert text.count("not judged") >= 6
    assert not re.search(r"\b(nan|None|NaT|inf)\b", text)


def test_an_open_alarm_is_open(data):
    """An alarm that has not closed has no length yet."""
    never = pd.Series([pd.NaT], dtype="datetime64[us, UTC]")
    still = data.alarms.assign(state="open", closed_at=never)
    text = Page(render(replace(data, alarms=tables.ALARMS.check(still)))).text
    assert "still open" in text
    assert "NaT" not in text


def test_the_same_data_gives_the_same_report(data, html):
    """No clock and no chance is in it."""
    assert render(data) == html


def test_figures_are_written_under_clear_names(data, html, tmp_path):
    """Every figure is a PNG of its own beside the page; those of an earlier report are gone."""
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "alarm_old.png").write_bytes(b"")
    path = write(data, tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == html
    assert sorted(file.stem for file in (tmp_path / "figures").iterdir()) == [
        "alarm_a1",
        "alarms_by_asset_and_sensor",
        "alarms_over_day",
        "confusion_matrices",
        "dashboard",
        "data_exploration",
        "detector_evaluation",
        "feature_importance",
        "model_comparison",
        "pr_curves",
        "roc_curves",
        "score_over_time_pump-1",
        "score_over_time_pump-2",
        "sensor_boxes",
        "sensor_profiles",
        "time_series_anomalies",
    ]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in (tmp_path / "figures").iterdir())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["figures", "report.html"]


def test_names_of_files_stay_in_their_folder():
    """Slashes, spaces and look-alikes become different, harmless names."""
    names = drawings._file_names(["score_a/../b", "score_a b", "score_A_b", "score_a_b", "x" * 300])
    assert len({name.lower() for name in names}) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,100}", name) for name in names)


def test_many_assets_share_a_grid(data):
    """Above 24 assets one grid shows all, and only those with faults or alarms are shown larger."""
    assets = [f"pump-{number}" for number in range(1, 27)]
    many = replace(
        data,
        scores=pd.concat([scores_of(name, [0.1, 0.2, 0.3]) for name in assets]),
        faults=faults_of(("pump-7", 0, 1, "wear")),
        alarms=tables.ALARMS.empty(),
        readings=tables.READINGS.empty(),
    )
    page = render(many)
    grid, *others = re.findall(r"figures/(score_over_time[\w-]*)[.]png", page)
    assert (grid, others) == ("score_over_time_all", ["score_over_time_pump-7"])
    assert len([row for row in page.split("<tr>") if 'scope="row">pump-' in row]) >= 26


def test_assets_are_in_the_order_that_people_expect():
    """pump-2 stands before pump-10."""
    assert words.in_order(["pump-10", "pump-2", "pump"]) == ["pump", "pump-2", "pump-10"]


def test_a_broken_table_is_an_error_not_a_gap(data):
    """A frame without its columns is not drawn as if it were empty."""
    with pytest.raises(KeyError):
        render(replace(data, alarms=pd.DataFrame({"asset_id": ["pump-1"]})))


def test_the_template_lies_beside_the_code():
    """Template and style travel in the wheel with the package that reads them."""
    folder = Path(report.__file__).parent
    assert (folder / "report.html.j2").is_file()
    assert (folder / "report.css").is_file()


def test_each_kind_of_fault_says_what_it_cost(undrawn):
    """Two seal leaks of which one was missed: their cost beside that of watching nothing, and how long one stood."""
    kind = {"kind": "seal_leak", "faults": 2, "found": 1, "detection_rate": 0.5, "median_delay_minutes": 8.0}
    kind |= {"detection_rate_low": 0.09, "detection_rate_high": 0.91}
    priced = kind | {"cost": 9200.0, "cost_if_missed": 14400.0, "downtime_hours": 3.0}
    old = {**kind, "kind": "wear"}
    text = Page(render(replace(undrawn, leaderboard=[judgement("lof", by_kind=(priced, old))]))).text
    assert "9 200 if missed 14 400" in text
    assert "3 h" in text
    assert "not priced" in text, "a run of a version without costs by kind"
    assert "not stated" in text


def test_the_report_shows_which_kinds_the_alarms_named(undrawn):
    """Two matrices with every true and every named kind, and a sentence above them; none where no alarm names kinds."""
    naming = {"kinds": {"seal_leak": {"seal_leak": 31, "missed": 2}, "drift": {"spike": 4}}}
    naming |= {"parts": {"machine": {"machine": 31, "missed": 2}, "sensor": {"sensor": 4}}, "found": 35}
    naming |= {"part_right": 35, "part_wrong": 0, "part_share_low": 0.9, "part_share_high": 1.0, "machine_found": 0}
    naming |= {"sensor_found": 4, "sensor_right": 4, "sensor_kind_right": 0}
    text = Page(render(replace(undrawn, leaderboard=[judgement("lof", naming=naming)]))).text
    assert "What the alarms named" in text
    assert "in 35 of 35" in text
    assert "Truth seal leak drift spike unknown missed seal leak 31 2 drift 4" in text
    assert "Truth machine sensor unknown missed machine 31 2 sensor 4" in text
    assert "What the alarms named" not in Page(render(undrawn)).text


def test_failures_ranges_and_savings_are_in_the_tables(undrawn):
    """One of two failures had an alarm 90 minutes before it, the other too late; range F1 stands beside guessing."""
    outcome = {"asset_id": "p", "kind": "worn", "start": "2026-02-02T00:00:00+00:00", "found": True, "cost": 2000.0}
    outcome["delay_minutes"] = 5.0
    row = judgement(
        "lof",
        failures=2,
        foreseen=1,
        foreseen_rate=0.5,
        vus_pr_low=0.411,
        vus_pr_high=0.722,
        range_f1=0.387,
        range_f1_random=0.059,
        outcomes=[
            outcome | {"delay_minutes": 0.0, "lead_minutes": 90.0, "saved": 8000.0},
            outcome | {"lead_minutes": -1.0, "saved": 7990.0},
        ],
    )
    page = render(replace(undrawn, leaderboard=[row]))
    for sentence in (
        "Before the failure",
        "90\u00a0min",
        "too late",
        "0.387",
        "random 0.059",
        "0.411 to 0.722",
        "8\u202f000",
    ):
        assert sentence in page, sentence
    assert "Before the failure" not in render(replace(undrawn, leaderboard=[judgement("lof", outcomes=[outcome])]))


def test_assets_that_belong_to_one_part_are_listed_with_it(undrawn: ReportData) -> None:
    """Each asset has one part, and no instants are shown; the page says which machines the figures are about."""
    ever, end = pd.Timestamp("1700-01-01", tz="UTC"), minute(10)
    cuts = {
        "learner": (end, end, end),
        "scale": (ever, end, end),
        "rival": (ever, ever, end),
        "last": (ever, ever, ever),
    }
    parts = pd.DataFrame.from_dict(cuts, orient="index", columns=["calibrate_from", "validate_from", "test_from"])
    plant = undrawn.plant.model_copy(update={"parts": PartsByAssets()})
    page = render(replace(undrawn, plant=plant, parts=parts))
    assert "machines from which they have not learnt" in page
    for asset, part in zip(cuts, ("train", "calibrate", "validate", "test"), strict=True):
        assert re.search(rf"{asset}</th><td>{part}</td>", page), asset
    assert "1700" not in page


def test_a_challenge_is_about_the_challenger(undrawn: ReportData) -> None:
    """The heading and the figures are its own; scores and alarms are still those of the champion."""
    live = "mahalanobis, live since 2026-01-01"
    page = render(replace(undrawn, champion=live, chosen="lof", verdict="challenge"))
    assert "Challenge: lof" in page and f"Challenge: {live}" not in page
    assert "is not on the leaderboard" not in page
    kept = render(replace(undrawn, champion=live, chosen="lof", verdict="keep"))
    assert f"Keep: {live}" in kept


@pytest.mark.parametrize(("champion", "verdict"), [(None, "refuse"), ("mahalanobis, live since then", "challenge")])
def test_the_figures_of_a_judgement_are_about_the_model_of_the_page(
    whole: ReportData, champion: str | None, verdict: str
) -> None:
    """A refused model and a challenger have their faults drawn, and their own curve stands out; no other curve does."""
    drawn = {
        drawing.name: drawing
        for drawing in drawings.draw(replace(whole, champion=champion, chosen="lof", verdict=verdict))
    }
    for name in ("detection_by_kind", "failure_types", "detection_delay"):
        assert "lof on the test part" in drawn[name].title
    for name in ("roc_curves", "pr_curves"):
        lines = drawn[name].figure.axes[0].get_lines()
        widths = {str(line.get_label()): line.get_linewidth() for line in lines}
        assert widths["lof"] == max(widths.values()) > 2


@pytest.mark.parametrize(
    ("ranked_by", "sentence"),
    [
        (
            BY_SELF_TEST,
            "Validation part: candidates are compared and chosen on it. No fault is known there, so they are ranked",
        ),
        (BY_NAME, "they are listed in order of their names"),
        (
            "cost, else VUS-PR",
            "Validation part: candidates are compared and chosen on it, ranked by cost, else VUS-PR. ",
        ),
        ("", "Validation part: candidates are compared and chosen on it. 4 faults"),
    ],
)
def test_the_board_says_what_ranked_its_candidates(undrawn: ReportData, ranked_by: str, sentence: str) -> None:
    """Whether faults are known or not; on the test part nothing is chosen, so it has no such sentence."""
    board = [judgement("lof", part="validate"), judgement("lof")]
    text = Page(render(replace(undrawn, leaderboard=board, ranked_by=ranked_by))).text
    assert sentence in text
    assert text.index(sentence) < text.index("Test part: used only once, after the choice. 4 faults")


def test_the_table_of_machines_shows_the_maturity_of_each_threshold(data: ReportData, html: str) -> None:
    """One sentence explains the words; a machine with readings but without scores has a maturity too."""
    late = replace(
        data,
        readings=pd.concat([data.readings, readings_of("pump-3", [8.0] * 3)]),
        maturity={"pump-1": "trusted", "pump-2": "provisional", "pump-3": "learning"},
    )
    page = render(late)
    for asset, word in late.maturity.items():
        assert re.search(rf'scope="row">{asset}</th>((?!</tr>).)*<td>{word}</td>', page, re.DOTALL), asset
    text = Page(page).text
    assert "Maturity of the threshold" in text
    assert text.count("provisional while it is shorter than 4 times that, and trusted from then on") == 1
    assert "Fixed:" not in text
    assert "Fixed:" in maturity_sentence({"pump-1": "fixed"})
    assert "Maturity of the threshold" not in html


def test_a_plant_without_a_test_part_has_a_report(undrawn: ReportData) -> None:
    """Its figures come from the validation part; rows of earlier versions lack some tables."""
    row = {name: value for name, value in judgement("lof", part="validate").items() if name != "by_kind"}
    assert "Found in the validate part: 3 of 4 faults" in Page(render(replace(undrawn, leaderboard=[row]))).text
