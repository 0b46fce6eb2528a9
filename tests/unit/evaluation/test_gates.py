import numpy as np
import pytest

from wheeltapper.errors import DataError
from wheeltapper.evaluation.baseline_gate import beats_baselines
from wheeltapper.evaluation.budget_gate import keeps_budget
from wheeltapper.evaluation.gates import Gate, choose, decide
from wheeltapper.selftest.gates import (
    finds_small_faults,
    is_not_blind,
    is_not_inverted,
    is_not_random,
    opens_alarm_for_each_sensor,
    threshold_is_reachable,
)

FAULT = "    LLL"


@pytest.fixture
def silent(draw):
    return draw("0000000000", FAULT).judge("always_normal")


@pytest.fixture
def always(draw):
    return draw("9999999999", FAULT).judge("always_anomalous")


def gate(name, passed, blocks=True):
    return Gate(name=name, passed=passed, figure=None, limit=None, reason="because", blocks=blocks)


def test_candidate_must_cost_less_than_every_baseline(sharp, late, silent, always):
    """Sharp beats silence and noise; late does not beat a baseline as sharp as sharp; each is named with its figure."""
    passed = beats_baselines(sharp, [always, silent])
    assert passed.passed and passed.limit == silent.cost_per_asset_week
    assert "always_normal" in passed.reason
    assert not beats_baselines(late, [silent, sharp]).passed


def test_equal_cost_does_not_beat(draw, silent):
    """A candidate that never rings is no better than the baseline that never rings."""
    assert beats_baselines(draw("1111111111", FAULT).judge("shy"), [silent]).passed is False


@pytest.mark.parametrize(
    ("more", "vus", "passes"),
    [(50, 0.9, True), (50, 0.2, False), (99, 0.9, True), (99, 0.2, False), (101, 0.9, False), (5000, 0.9, False)],
)
def test_a_little_dearer_is_no_verdict_where_it_ranks_higher(sharp, silent, more, vus, passes):
    """Dearer in four weeks of six, or in all by less than a tenth: luck, if VUS-PR says so; by more: surely worse."""
    weeks = [f"a week {number}" for number in range(6)]
    sign = (1, -1, 1, -1, 1, 1) if more == 50 else (1,) * 6
    mine = {week: 1000.0 + more * one for week, one in zip(weeks, sign, strict=True)}
    candidate = sharp.model_copy(
        update={"cost_by_asset_week": mine, "cost_per_asset_week": sum(mine.values()) / 6, "vus_pr": vus}
    )
    quiet = silent.model_copy(
        update={"cost_by_asset_week": dict.fromkeys(weeks, 1000.0), "cost_per_asset_week": 1000.0, "vus_pr": 0.5}
    )
    found = beats_baselines(candidate, [quiet])
    assert found.passed is passes
    assert ("stays cheaper" in found.reason) is (more > 100)
    assert ("known to a tenth at best" in found.reason) is passes


def test_baselines_must_be_there_and_on_the_same_data(draw, sharp):
    """Without a baseline, or with one from another part of the data, there is no gate to pass."""
    with pytest.raises(DataError, match="no baseline to beat"):
        beats_baselines(sharp, [])
    with pytest.raises(DataError, match="different data"):
        beats_baselines(sharp, [draw("0000000000000", FAULT).judge("always_normal")])


def test_without_faults_it_cannot_be_asked(draw):
    """No truth, no answer: neither passed nor failed."""
    one, other = draw("0090").judge("one"), draw("0000").judge("other")
    assert beats_baselines(one, [other]).passed is None


@pytest.mark.parametrize(("share", "passes"), [(0.51, True), (0.5, None), (0.46, None), (0.44, False), (0.1, False)])
def test_without_faults_it_must_find_more_than_every_baseline(draw, share, passes):
    """Without known faults the injected ones count: the best baseline finds half of them."""
    one, other, deaf = draw("0090").judge("one"), draw("0000").judge("other"), draw("0000").judge("deaf")
    found = beats_baselines(one, [other, deaf], {"one": share, "other": 0.5, "deaf": 0.0})
    assert found.passed is passes
    assert (found.figure, found.limit) == (share, 0.5)
    assert "best baseline, other, with 50%" in found.reason


def test_step_raises_the_score_of_a_sound_detector():
    """Scores go from about 1 to about 5: passed. Turned upside down: failed."""
    clean = np.linspace(0, 2, 20)
    assert is_not_inverted(clean, clean + 4).passed
    assert not is_not_inverted(-clean, -(clean + 4)).passed


def test_blind_detector_fails():
    """A score that does not move, or hardly moves, sees nothing."""
    clean = np.linspace(0, 2, 20)
    assert is_not_inverted(clean, clean).figure == 0
    assert not is_not_inverted(clean, clean).passed
    assert not is_not_inverted(clean, clean + 0.01).passed


def test_one_blind_row_in_five_fails():
    """Four of five scores rise: not enough."""
    clean = np.zeros(10)
    assert not is_not_inverted(clean, np.array([0, 0, 5, 5, 5, 5, 5, 5, 5, 5])).passed


def test_twins_must_be_twins():
    """Scores without their twins, or that are no numbers, are refused."""
    with pytest.raises(DataError, match="needs twins"):
        is_not_inverted([1, 2], [1])
    with pytest.raises(DataError, match="not finite"):
        is_not_inverted([1, np.nan], [1, 2])


def test_budget_fails_only_where_it_is_surely_broken(draw):
    """One false alarm in ten minutes is 1008 a week, at least 25: a budget of 30 may hold, one of 10 cannot."""
    one = draw("0900000000", FAULT).judge()
    assert keeps_budget(one, 30).passed and "possibly within" in keeps_budget(one, 30).reason
    assert not keeps_budget(one, 10).passed and "surely over" in keeps_budget(one, 10).reason
    assert "surely within" in keeps_budget(one, 1e4).reason
    assert not keeps_budget(one, 10).blocks


def test_a_promise_that_is_surely_broken_refuses(draw):
    """At least 25 a week were achieved: against 5 (1 to 24) promised it blocks, against 5 (1 to 26) it informs."""
    one = draw("0900000000", FAULT).judge()
    broken, held = (keeps_budget(one, 5, promised=(5.0, 1.0, high)) for high in (24.0, 26.0))
    assert (broken.passed, broken.blocks, broken.limit) == (False, True, 24.0)
    assert "promises 5 (1 to 24) for a budget of 5: surely more than that" in broken.reason
    assert (held.passed, held.blocks, held.limit) == (False, False, 26.0)
    assert "surely over the budget, but a calibrate part this short" in held.reason
    assert decide([gate("is_not_inverted", True), broken], has_champion=False).word == "refuse"
    assert decide([gate("is_not_inverted", True), held], has_champion=False).word == "promote"


def test_a_promise_below_the_budget_is_no_reason_to_refuse(draw):
    """A threshold that promised next to nothing, and a budget that accepts what came: nobody is harmed."""
    one = draw("0900000000", FAULT).judge()
    assert keeps_budget(one, 30, promised=(0.1, 0.01, 1.0)).passed


def test_alarms_are_not_called_false_where_no_fault_is_known(draw):
    """Nobody knows whether the one alarm was right."""
    reason = keeps_budget(draw("0900000000").judge(), 30, promised=(30.0, 1.0, 90.0)).reason
    assert "1 alarms in" in reason and "some of which may be right" in reason


def test_verdicts():
    """Promote the first that passes, challenge with a better one, keep the champion, refuse what fails."""
    good, bad = gate("is_not_inverted", True), gate("beats_baselines", False)
    assert decide([good], has_champion=False).word == "promote"
    assert decide([good, gate("beats_champion", True)], has_champion=True).word == "challenge"
    assert decide([good, gate("beats_champion", False)], has_champion=True).word == "keep"
    assert decide([good, bad, gate("beats_champion", True)], has_champion=True).word == "refuse"
    assert decide([good, bad], has_champion=False).reasons == ("beats_baselines: because",)


def test_gate_that_only_informs_does_not_refuse():
    """A broken budget is said, and does not block."""
    verdict = decide([gate("is_not_inverted", True), gate("keeps_budget", False, blocks=False)], has_champion=False)
    assert verdict.word == "promote"
    assert "keeps_budget: because" in verdict.reasons


def test_unknown_candidate_never_goes_live():
    """Nothing failed, but nothing could be asked either."""
    assert decide([gate("beats_baselines", None)], has_champion=False).word == "refuse"
    assert decide([], has_champion=False).word == "refuse"


def test_unasked_question_about_the_champion_is_refused():
    """With a champion the comparison must be there; if it could not be answered, the champion stays."""
    with pytest.raises(DataError, match="beats_champion is missing"):
        decide([gate("is_not_inverted", True)], has_champion=True)
    unknown = [gate("is_not_inverted", True), gate("beats_champion", None)]
    assert decide(unknown, has_champion=True).word == "keep"


def test_only_a_sure_winner_takes_the_champions_place():
    """Better and sure is promoted, better on paper challenges, no better leaves the champion alone."""
    sound = Gate(name="beats_baselines", passed=True, figure=1, limit=2, reason="")
    duel = Gate(name="beats_champion", passed=True, figure=1, limit=2, reason="")
    sure = Gate(name="surely_beats_champion", passed=True, figure=1, limit=0.95, reason="", blocks=False)
    unsure = sure.model_copy(update={"passed": False})
    lost = duel.model_copy(update={"passed": False})
    assert decide([sound, duel, sure], True).word == "promote"
    assert decide([sound, duel, unsure], True).word == "challenge"
    assert decide([sound, duel], True).word == "challenge"
    assert decide([sound, lost, sure], True).word == "keep"


def test_a_narrow_win_shows_in_the_figures(sharp, late):
    """Costs that differ by cents are not printed alike."""
    narrow = sharp.model_copy(update={"cost_per_asset_week": 7208.31})
    other = late.model_copy(update={"cost_per_asset_week": 7208.36})
    assert "7,208.31 EUR per asset-week, less than" in beats_baselines(narrow, [other]).reason
    assert "with 7,208.36" in beats_baselines(narrow, [other]).reason


def test_blind_names_the_sensor_that_it_ignores():
    """A chance of one half is what an ignored sensor has; what could not be tested is named as well."""
    deaf = is_not_blind({"heat": 0.98, "load": 0.5}, {"idle": "it never moved"})
    assert (deaf.passed, deaf.figure) == (False, 0.5)
    assert "does not find faults of load:" in deaf.reason and "idle (it never moved)" in deaf.reason
    assert is_not_blind({"heat": 0.98, "load": 0.6}).passed
    assert is_not_blind({}).passed is None


def test_a_sensor_that_opens_no_alarm_informs_only():
    """Found in two of five episodes: the gate fails, and does not block."""
    mute = opens_alarm_for_each_sensor({"heat": 1.0, "load": 0.4})
    assert (mute.passed, mute.blocks) == (False, False)
    assert "load alone" in mute.reason


def sized(sensor, smallest):
    return {"sensor": sensor, "kind": "level_shift", "smallest": smallest, "sizes": [{"in_units": "+4 °C"}]}


def test_the_smallest_fault_of_each_sensor_is_on_record():
    """One of three found: too few, which informs; each line is kept, with the size up to which nothing was found."""
    few = finds_small_faults([sized("heat", "+2 °C"), sized("load", None), sized("flow", None)])
    assert (few.passed, few.blocks, few.figure) == (False, False, pytest.approx(1 / 3))
    assert few.details[:2] == ("heat, level shift: from +2 °C", "load, level shift: not found up to +4 °C")
    assert finds_small_faults([sized("heat", "+2 °C"), sized("load", None)]).passed is True
    assert finds_small_faults([]).passed is None


@pytest.mark.parametrize(
    ("threshold", "passed"), [(4.0, True), (6.0, False), (float("inf"), False), (float("nan"), False)]
)
def test_threshold_must_be_a_number_below_an_obvious_fault(threshold, passed):
    """Three of three scores of 5 exceed 4, none exceeds 6, and nothing exceeds infinity."""
    assert threshold_is_reachable([threshold] * 3, [5.0] * 3).passed is passed


@pytest.mark.parametrize(
    ("clean", "faulty", "verdicts", "passed"),
    [
        ([1, 2, 3], [7, 8, 9], ([False] * 3, [True] * 3), True),
        ([1, 2, 3], [1, 2, 3], ([False] * 3, [True] * 3), False),
        ([1, 2, 3], [7, 8, 9], ([True] * 3, [True] * 3), False),
        ([1, 2, 3], [7, 8, 9], ([False] * 3, [False] * 3), False),
    ],
)
def test_random_scores_and_random_verdicts_are_told(clean, faulty, verdicts, passed):
    """Separated scores and right verdicts pass; equal scores, always ringing and never ringing do not."""
    gate = is_not_random(clean, faulty, *verdicts)
    assert gate.passed is passed
    assert passed or gate.figure == 0.5


def answered(name, passed, blocks=True):
    return Gate(name=name, passed=passed, figure=None, limit=None, reason="as drawn", blocks=blocks)


def test_the_first_candidate_that_passes_is_taken_and_no_further_one_is_asked():
    """One that fails two gates stands above it: both are told, and one that only informs is not."""

    def asked():
        yield (
            "first",
            [answered("has_learnt", False), answered("is_not_blind", False), answered("label_rule", False, False)],
        )
        yield "second", [answered("has_learnt", True)]
        raise AssertionError("a third was asked")

    choice = choose(asked(), has_champion=False)
    assert (choice.candidate, choice.verdict.word) == ("second", "promote")
    assert [gate.name for gate in choice.gates] == ["has_learnt"]
    assert choice.passed_over == {"first": ("has_learnt", "is_not_blind")}


def test_where_all_are_refused_the_verdict_is_about_the_best():
    """The others are told with their own gates; one of which nothing is known has none."""
    every = {"first": [answered("has_learnt", False)], "second": [answered("has_learnt", None)], "third": []}
    choice = choose(every.items(), has_champion=False)
    assert (choice.candidate, choice.verdict.word) == ("first", "refuse")
    assert choice.passed_over == {"second": (), "third": ()}
    assert choose([], has_champion=False).verdict.word == "refuse"


def test_a_candidate_that_does_not_beat_the_champion_is_told_so():
    """Below or not comparable, it leaves the champion alone."""
    every = {"first": [answered("has_learnt", True), answered("beats_champion", False)]}
    every["second"] = [answered("has_learnt", True), answered("beats_champion", None)]
    choice = choose(every.items(), has_champion=True)
    assert (choice.candidate, choice.verdict.word) == ("first", "keep")
    assert choice.passed_over == {"second": ("beats_champion",)}
