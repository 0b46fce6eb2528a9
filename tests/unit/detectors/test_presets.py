"""Parameters of the published systems, by name."""

import pytest

from wheeltapper.detectors import build
from wheeltapper.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "preset", "options"),
    [
        ("isolation_forest", "reference_001", {"n_estimators": 100, "max_samples": 256}),
        ("isolation_forest", "reference_002", {"n_estimators": 350, "max_samples": 256}),
        ("isolation_forest", "reference_004", {"n_estimators": 100, "max_samples": 256}),
        ("lof", "reference_001", {"n_neighbors": 20, "max_rows": 4000}),
        ("autoencoder", "reference_001", {"epochs": 50, "batch_size": 64, "max_rows": 10_000}),
    ],
)
def test_a_preset_stands_for_the_published_parameters(name, preset, options):
    """A bundle stores the options themselves, so that it does not change when a preset does."""
    assert build(name, {"preset": preset}).options == options


def test_an_option_beside_the_preset_overrides_it():
    """350 trees, but of 64 rows each."""
    built = build("isolation_forest", {"preset": "reference_002", "max_samples": 64})
    assert built.options == {"n_estimators": 350, "max_samples": 64}


def test_a_misspelt_preset_gets_its_near_miss():
    """And the list of what there is."""
    with pytest.raises(ConfigError, match=r"reference_000.*Did you mean 'reference_002'"):
        build("isolation_forest", {"preset": "refrence_002"})
