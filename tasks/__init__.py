"""Effects: one thin Prefect task round one library call: retries, logging, artifacts.

Between tasks travel references (table, version, digest) and small results, never tables. Prefect's result cache is
off: exactly-once comes from the store and the registry, which know what they already have.
"""

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from wheeltapper.errors import WheeltapperError

DEFAULTS: dict[str, Any] = {"cache_policy": NO_CACHE}
"""How every task is declared."""


async def _is_worth_retrying(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what may pass by itself; a clear answer of ours will be the same next time."""
    failure = await state.aresult(raise_on_failure=False)
    return not isinstance(failure, WheeltapperError)


RETRIED: dict[str, Any] = DEFAULTS | {
    "retries": 2,
    "retry_delay_seconds": exponential_backoff(2),
    "retry_condition_fn": _is_worth_retrying,
}
"""How tasks are declared that read from the outside world."""
