"""PyOD: any of the detectors of the Python Outlier Detection library, by the name of its class."""

from __future__ import annotations

import importlib
import inspect
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wheeltapper.detectors import Floats
from wheeltapper.detectors._options import check_whole
from wheeltapper.detectors.rows import ArrayDetector, Names, learn_rows, thinned
from wheeltapper.errors import ConfigError, DataError
from wheeltapper.spelling import near_miss

_BLOCK = 64  # rows that are handed over at a time, the last one repeated where there are fewer
_PROBED = 25  # training rows that are scored twice, to see whether a detector does what it must

# Several of PyOD's detectors keep intermediate results in themselves while they score.
_ONE_AT_A_TIME = threading.Lock()


class Pyod(ArrayDetector):
    """Hand the rows to a detector of PyOD, and hand its score back.

    PyOD's detectors can only be saved as pickles, which run whatever somebody wrote into them; a bundle holds none.
    So what is saved is a seeded sample of the training rows, and the detector is fitted anew when a bundle is read: as
    exact, but reading takes as long as fitting, and scoring needs PyOD on the machine that scores.

    A detector that gives other scores when fitted again is refused. Rows are handed over in blocks of 64. Some (COPOD,
    ECOD) mix the rows to be scored into their statistics, so that a score depends on what else comes along; these, and
    those whose last digits depend on it, are given one row after the other, which takes milliseconds a row: for ECOD's
    idea `ecod` here is a hundred times faster. Explanations come from trying each sensor at its typical value, as
    PyOD's detectors do not say what moved them.

    Needs PyOD: ``pip install 'wheeltapper[pyod]'``; its neural networks need PyTorch, too, which is not part of that.

    Parameters
    ----------
    detector : str
        A class of ``pyod.models``, such as KNN, COPOD, INNE, GMM.
    parameters : mapping, optional
        Its constructor's arguments. Its contamination changes nothing here: the alarm budget sets the threshold.
    max_rows : int
        Training rows that are kept; from 10.

    References
    ----------
    .. [1] Y. Zhao, Z. Nasrullah, Z. Li, "PyOD: A Python Toolbox for Scalable Outlier Detection", JMLR 20 (2019).
    """

    packages: ClassVar[tuple[str, ...]] = ("pyod",)
    other_values: ClassVar[dict[str, Any]] = {"detector": "HBOS", "parameters": {"contamination": 0.2}}
    columns_: Names
    kept_: Floats
    seed_: int
    one_by_one_: bool

    def __init__(
        self, detector: str = "KNN", parameters: Mapping[str, Any] | None = None, max_rows: int = 2000
    ) -> None:
        check_whole("pyod", "max_rows", max_rows, low=10)
        if parameters is not None and not isinstance(parameters, Mapping):
            raise ValueError(f"option 'parameters' must be a mapping such as {{n_neighbors: 10}}, got {parameters!r}")
        self.detector = detector
        self.parameters = parameters
        self.max_rows = max_rows
        allowed = list(inspect.signature(_class_named(detector)).parameters)
        for name in parameters or {}:
            if name not in allowed:
                raise ValueError(
                    f"option 'parameters': PyOD's {detector} has no '{name}' (it has: {', '.join(allowed)})."
                    f"{near_miss(name, allowed)}"
                )

    def fit(self, rows: pd.DataFrame) -> Self:
        """Fit the detector to a sample of the rows, and see whether it gives the same scores again and row by row.

        Parameters
        ----------
        rows : DataFrame of shape (n_windows, n_features), float64, no NaN

        Raises
        ------
        DataError
            If PyOD's detector cannot be fitted to the rows, or gives other scores when fitted again.
        """
        columns, values = learn_rows(rows)
        self.kept_, self.seed_ = thinned(values, self.max_rows, self.seed), self.seed
        probe = self.kept_[np.linspace(0, len(self.kept_) - 1, _PROBED).astype(np.int64)]
        self._model, again = self._fitted(), self._fitted()
        together = self._asked(self._model, probe, _BLOCK)
        if not np.allclose(together, self._asked(again, probe, _BLOCK), rtol=1e-9, atol=1e-9):
            raise DataError(
                f"PyOD's {self.detector} gives other scores each time that it is fitted, so no bundle could bring it "
                "back. Fix its randomness in parameters, or choose another detector."
            )
        alone = np.concatenate([self._asked(self._model, row[None], _BLOCK) for row in probe])
        self.one_by_one_ = not np.array_equal(together, alone)
        self.columns_ = columns
        return self

    def _scores(self, values: Floats) -> Floats:
        """Return PyOD's decision function of each row: higher is more anomalous there, too."""
        return self._asked(self._model, values, 1 if self.one_by_one_ else _BLOCK)

    def restore(self, state: dict[str, NDArray[Any]]) -> Self:
        """Take over the training rows that another one kept, and fit PyOD's detector to them again."""
        super().restore(state)
        self._model = self._fitted()
        return self

    def _fitted(self) -> Any:
        kind = _class_named(self.detector)
        parameters = dict(self.parameters or {})
        if "random_state" in inspect.signature(kind).parameters:
            parameters.setdefault("random_state", int(self.seed_) % 2**32)
        try:
            return kind(**parameters).fit(np.array(self.kept_))
        except Exception as error:  # PyOD raises whatever its parts raise
            raise DataError(
                f"PyOD's {self.detector} cannot be fitted to {len(self.kept_)} rows of {self.kept_.shape[1]} features "
                f"({type(error).__name__}: {error}). Change its parameters, or leave it out of the candidates."
            ) from error

    def _asked(self, model: Any, values: Floats, block: int) -> Floats:
        """Return the model's scores; it is always given as many rows, as its last digits may depend on their number."""
        scores = np.empty(len(values))
        for start in range(0, len(values), block):
            part = values[start : start + block]
            filled = np.concatenate([part, np.repeat(part[-1:], block - len(part), axis=0)])
            with _ONE_AT_A_TIME:
                answers = np.asarray(model.decision_function(filled), dtype=np.float64).ravel()
            scores[start : start + block] = answers[: len(part)]
        if not np.isfinite(scores).all():
            row = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise DataError(
                f"PyOD's {self.detector} gives {scores[row]} as the score of row {row}, not a finite number. "
                "Choose another detector, or other parameters."
            )
        return scores


def _class_named(name: object) -> Any:
    """Return a class of ``pyod.models``, and nothing else, by its name."""
    if find_spec("pyod") is None:
        raise ConfigError("detector pyod needs PyOD, which is not installed. Run: pip install 'wheeltapper[pyod]'")
    files = _files()
    module = files.get(str(name).lower())
    if not isinstance(name, str) or module is None:
        near = near_miss(str(name).lower(), list(files))
        raise ValueError(
            f"option 'detector' must be a class of pyod.models, such as KNN, COPOD or INNE, got {name!r}.{near}"
        )
    try:
        loaded = importlib.import_module(f"pyod.models.{module}")
    except ImportError as error:
        raise ConfigError(f"PyOD's {name} cannot be loaded here: {error}. Install what it needs.") from error
    if not inspect.isclass(getattr(loaded, name, None)):
        classes = {class_name.lower(): class_name for class_name, _ in inspect.getmembers(loaded, inspect.isclass)}
        near = near_miss(classes.get(name.lower(), name), list(classes.values()))
        raise ValueError(f"option 'detector': pyod.models.{module} has no class {name!r}.{near}")
    return getattr(loaded, name)


def _files() -> dict[str, str]:
    """Return the files of ``pyod.models``, found without opening any: name without underscores → name."""
    spec = find_spec("pyod")
    folders = (spec.submodule_search_locations if spec else None) or []
    files = [path.stem for folder in folders for path in (Path(folder) / "models").glob("*.py")]
    return {stem.replace("_", ""): stem for stem in sorted(files) if not stem.startswith("_")}
