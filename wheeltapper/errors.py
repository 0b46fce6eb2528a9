"""The handful of exceptions. Every message says what was expected, what came and what to do."""


class WheeltapperError(Exception):
    """Anything that Wheeltapper itself refuses or cannot do.

    ``exit_code`` is what the command line ends with: 1 the answer is no, 2 wrong use, 3 a failure.
    """

    exit_code = 3


class ConfigError(WheeltapperError):
    """A plant's YAML, a name or an option is wrong; nothing was started."""

    exit_code = 2


class SourceError(WheeltapperError):
    """The readings could not be read as the plant's YAML describes them."""

    exit_code = 2


class DataError(WheeltapperError):
    """The readings were read, but they do not keep what is promised of them."""

    exit_code = 1


class NotFittedError(WheeltapperError):
    """Something was asked to score before it was fitted."""


class NoChampionError(WheeltapperError):
    """A plant has no live model for an objective."""

    exit_code = 1


class StoreError(WheeltapperError):
    """A table is damaged, missing or was changed by someone else meanwhile."""


class BundleError(WheeltapperError):
    """A bundle does not match its manifest and is not loaded."""


class RegistryError(StoreError):
    """MLflow refused, or someone else changed what is live meanwhile."""


class JournalError(StoreError):
    """What came in through a live door could not be put on the disk, or is damaged there."""


class RefusedReadingError(DataError):
    """A reading that came in through a live door does not keep what is promised of readings; none of its kin was kept.

    Parameters
    ----------
    place : place of the reading among those that came together, from 0
    field : the field that is wrong, such as ``pressure``; empty where it is the whole reading
    why : what was expected, and what came
    """

    def __init__(self, place: int, field: str, why: str) -> None:
        super().__init__(f"reading {place}: {why}")
        self.place, self.field, self.why = place, field, why
