"""The place where tasks run side by side: threads of this process, or the workers of a Dask cluster."""

from __future__ import annotations

from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from wheeltapper.config import Settings
from wheeltapper.errors import ConfigError


def runner() -> TaskRunner[Any]:
    """Return the task runner that WHEELTAPPER_RUNNER names.

    Dask's workers must see the same WHEELTAPPER_HOME and the same checkout (its folder on their PYTHONPATH).

    Raises
    ------
    ConfigError
        If Dask is set without the address of its scheduler.
    """
    settings = Settings()
    if settings.runner == "threads":
        return ThreadPoolTaskRunner(max_workers=settings.workers)
    if settings.dask is None:
        raise ConfigError(
            "WHEELTAPPER_RUNNER is dask, but WHEELTAPPER_DASK names no scheduler; set it to its address, such as "
            "tcp://10.0.0.5:8786."
        )
    from prefect_dask.task_runners import DaskTaskRunner

    return DaskTaskRunner(address=settings.dask)
