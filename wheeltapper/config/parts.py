"""How a plant's time is cut: parts to train on, to calibrate thresholds, to choose a candidate, and to test once."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from wheeltapper.config.values import Instant, Model, no_text_for_a_number


class _PartsRule(Model):
    """One of the rules. ``by`` tells them apart, so no validator may run on it before pydantic has chosen the rule."""

    @field_validator("train", "calibrate", "validate_", "test", mode="before", check_fields=False)
    @classmethod
    def _is_no_text_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        return no_text_for_a_number(value, cls.model_fields[str(info.field_name)].annotation)


def _require_whole(self: Any) -> Any:
    total = self.train + self.calibrate + self.validate_ + self.test
    if abs(total - 1) > 1e-9:
        raise ValueError(f"train + calibrate + validate + test must be 1, got {total:g}")
    return self


class PartsByFraction(_PartsRule):
    """Cut the plant's time span: the first share trains, the next calibrates, then validates, then tests."""

    by: Literal["fraction"] = "fraction"
    train: float = Field(0.5, gt=0, lt=1)
    calibrate: float = Field(0.2, gt=0, lt=1)
    validate_: float = Field(0.15, gt=0, lt=1, alias="validate")
    test: float = Field(0.15, gt=0, lt=1)

    _sums_up = model_validator(mode="after")(_require_whole)


class PartsByDate(_PartsRule):
    """Cut at three instants (UTC where they name no zone)."""

    by: Literal["date"] = "date"
    calibrate_from: Instant
    validate_from: Instant
    test_from: Instant

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if not self.calibrate_from < self.validate_from < self.test_from:
            raise ValueError("calibrate_from, validate_from and test_from must follow each other in time")
        return self


class PartsByFirstRows(_PartsRule):
    """Learn from the first readings of each asset; judge the rest.

    Every other asset (in the order of their names) judges candidates, the remaining ones are the test part:
    the champion is chosen on assets that the test does not see.
    """

    by: Literal["first_rows"] = "first_rows"
    train: int = Field(ge=10, description="readings of each asset that candidates are fitted on")
    calibrate: int = Field(ge=10, description="readings after them that set the threshold")


class PartsByFiles(_PartsRule):
    """Learn from some files, judge others (for data sets that come cut in two)."""

    by: Literal["files"] = "files"
    train: str = Field(description="file name pattern, such as *_train.csv")
    test: str = Field(description="file name pattern, such as *_test.csv")
    calibrate: float = Field(0.3, gt=0, lt=1, description="last share of the training files' time")
    validate_: float = Field(0.5, gt=0, lt=1, alias="validate", description="first share of the test files' time")


class PartsByAssets(_PartsRule):
    """Leave assets out: whole assets train, others calibrate, validate and test; for fleets whose lives are complete.

    The plant's seed draws which asset belongs to which part. The figures hold for machines that were not trained on,
    not for the future of those that were: the times of the parts overlap.
    """

    by: Literal["assets"] = "assets"
    train: float = Field(0.4, gt=0, lt=1, description="share of the assets")
    calibrate: float = Field(0.2, gt=0, lt=1)
    validate_: float = Field(0.2, gt=0, lt=1, alias="validate")
    test: float = Field(0.2, gt=0, lt=1)

    _sums_up = model_validator(mode="after")(_require_whole)


Parts = Annotated[
    PartsByFraction | PartsByDate | PartsByFirstRows | PartsByFiles | PartsByAssets, Field(discriminator="by")
]
