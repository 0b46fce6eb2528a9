"""Effects: each task is one library call with retries, logging and artifacts.

Tasks pass references (table, version, digest) and small results to each other, never tables. Prefect's result cache is
off: store and registry make sure that everything happens exactly once.
"""

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from wheeltapper.errors import WheeltapperError

DEFAULTS: dict[str, Any] = {"cache_policy": NO_CACHE}
"""Options of every task."""


async def _is_worth_retrying(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry a failure that may pass by itself; a `WheeltapperError` will be the same next time."""
    failure = await state.aresult(raise_on_failure=False)
    return not isinstance(failure, WheeltapperError)


RETRIED: dict[str, Any] = DEFAULTS | {
    "retries": 2,
    "retry_delay_seconds": exponential_backoff(2),
    "retry_condition_fn": _is_worth_retrying,
}
"""Options of tasks that read from outside, such as a database."""
