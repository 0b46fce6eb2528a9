import pytest

from wheeltapper.errors import DataError
from wheeltapper.evaluation.judgement import NO_FAULTS
from wheeltapper.evaluation.leaderboard import Leaderboard, as_text, columns, rank

FAULT = "    LLL"
NAMES = {"sharp": "0000900000", "late": "0000009000", "silent": "0000000000", "noisy": "0900000000"}


def board(draw, fault=FAULT, **more):
    judgements = [draw(scores, fault).judge(name) for name, scores in NAMES.items()]
    return rank(reversed(judgements), baselines=["silent"], **more)


def test_cheapest_candidate_is_first_and_baselines_have_a_block(draw):
    """Sharp finds at once, late two minutes later, noisy never; silence is a baseline."""
    result = board(draw)
    assert [one.candidate for one in result.baselines] == ["silent"]
    assert [one.candidate for one in result.candidates] == ["sharp", "late", "noisy"]
    assert result.best.candidate == "sharp"


def test_equal_cost_is_decided_by_vus(draw):
    """Neither rings; one at least ranks the fault's windows first."""
    blunt, keen = draw("4000000000", FAULT).judge("blunt"), draw("0000444000", FAULT).judge("keen")
    assert [one.candidate for one in rank([blunt, keen], baselines=[]).candidates] == ["keen", "blunt"]


@pytest.mark.parametrize(
    ("saved", "first"),
    [
        ((900, -400, 10, 5, 0, 300), "keen"),
        ((90, 80, 95, 70, 85, 90), "keen"),
        ((120, 110, 125, 100, 115, 120), "cheap"),
    ],
)
def test_a_lucky_week_does_not_decide(draw, saved, first):
    """Cheaper by one great week of six, or in each by less than a tenth: VUS-PR decides; by more: cost does."""
    blunt, keen = draw("4000000000", FAULT).judge("cheap"), draw("0000444000", FAULT).judge("keen")
    assert keen.vus_pr > blunt.vus_pr
    weeks = [f"a week {number}" for number in range(6)]
    dear = {"cost_by_asset_week": dict.fromkeys(weeks, 1000.0), "cost_per_asset_week": 1000.0}
    costs = {week: 1000.0 - less for week, less in zip(weeks, saved, strict=True)}
    cheap = {"cost_by_asset_week": costs, "cost_per_asset_week": sum(costs.values()) / 6}
    found = rank([keen.model_copy(update=dear), blunt.model_copy(update=cheap)], baselines=[])
    assert found.best.candidate == first


def test_without_faults_the_self_test_decides_and_the_board_says_so(draw):
    """Without faults there is no cost; the self-test's figure takes its place."""
    result = board(draw, fault="", self_test={"late": 0.95, "sharp": 0.9})
    assert [one.candidate for one in result.candidates] == ["late", "sharp", "noisy"]
    assert (result.notes, result.ranked_by) == ((NO_FAULTS,), "self-test")
    assert NO_FAULTS in as_text(result)
    assert board(draw, fault="").ranked_by == "name"


def test_text_shows_baselines_above_candidates(draw):
    """The printed board is aligned and opens with the baseline."""
    lines = as_text(board(draw)).splitlines()
    assert lines[2].startswith("silent") and lines[4].startswith("sharp")
    assert len({len(line) for line in lines[:-1]}) == 1
    assert "1/1" in lines[4] and "0/1" in lines[2]


def test_columns_are_headers_with_cells(draw):
    """A command line can print the columns by whatever means it has."""
    headers = dict(columns(board(draw)))
    assert headers["candidate"] == ["silent", "sharp", "late", "noisy"]
    assert headers["delay min"] == ["–", "0.0", "2.0", "–"]


def test_rows_frame_and_json_say_the_same(draw):
    """Each line knows its place; the JSON reads back as the same board."""
    result = board(draw)
    assert [(row["place"], row["candidate"]) for row in result.rows()][:2] == [(None, "silent"), (1, "sharp")]
    assert result.frame()["candidate"].tolist() == ["silent", "sharp", "late", "noisy"]
    assert Leaderboard.model_validate_json(result.model_dump_json()) == result


def test_boards_that_make_no_sense_are_refused(draw):
    """No judgement at all, a name twice, and two parts at once."""
    one = draw("0000900000", FAULT).judge("sharp")
    with pytest.raises(DataError, match="0 judgements"):
        rank([], baselines=[])
    with pytest.raises(DataError, match=r"\['sharp'\] occur several times"):
        rank([one, one], baselines=[])
    with pytest.raises(DataError, match="about one part"):
        rank([one, one.model_copy(update={"part": "test"})], baselines=[])
