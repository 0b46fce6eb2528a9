"""Names of candidates: short, different, and without what MLflow refuses in a name."""

from wheeltapper.config import PlugIn
from wheeltapper.workspace import labels


def named(*candidates: object) -> list[str]:
    return list(labels(tuple(PlugIn.model_validate(one) for one in candidates)))


def test_a_detector_that_is_tried_once_is_called_by_its_name():
    """Its options are of no interest there."""
    assert named({"lof": {"n_neighbors": 3}}, "ecod") == ["lof", "ecod"]


def test_lists_and_mappings_are_written_as_in_yaml_without_quotes():
    """An ensemble's members are a list of texts and mappings; quotes would be refused as the name of a run."""
    members = ["pca_residual", {"lof": {"n_neighbors": 3}}, "it's"]
    assert named("ensemble", {"ensemble": {"members": members}}) == [
        "ensemble (defaults)",
        "ensemble (members=[pca_residual, {lof: {n_neighbors: 3}}, its])",
    ]


def test_long_options_are_cut_and_still_tell_apart():
    """A folder's name has 255 bytes at most; two long lists that begin the same end differently."""
    rules = [{"sensor": "temperature", "above": number} for number in range(20)]
    long = named({"rules": {"rules": rules}}, {"rules": {"rules": rules[:-1]}})
    assert len(set(long)) == 2
    assert all(len(label.encode()) < 200 for label in long)
