"""Prefect's server over HTTP, for code that must not import Prefect: work pool, automation, planned and silent runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wheeltapper.errors import WheeltapperError

if TYPE_CHECKING:
    import httpx

POOL = "wheeltapper"
"""The work pool of ``prefect.yaml``."""

SILENCE = timedelta(seconds=90)
"""A run sends a heartbeat every 30 s; after three that did not arrive its process has ended."""

_HEARTBEAT = "prefect.flow-run.heartbeat"
_ZOMBIES = "End runs that have fallen silent"


class PrefectApi:
    """Prefect's server.

    Parameters
    ----------
    address : str
        Its API, such as ``http://127.0.0.1:4200/api``.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def answers(self) -> bool:
        """Say whether a server answers at the address (a refusal is an answer)."""
        import httpx

        try:
            answer = self._client.get("health", timeout=5)
            if answer.is_success:
                answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return False
        return True

    def request(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """Send one request, GET without a body and POST with one; return the JSON of the answer.

        Raises
        ------
        WheeltapperError
            If the server refuses or does not answer; the message holds its answer.
        """
        import httpx

        method = method or ("GET" if body is None else "POST")
        try:
            answer = self._client.request(method, path, json=body)
            content = answer.json() if answer.is_success and answer.content else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise WheeltapperError(
                f"Prefect's server at {self.address} does not answer {path}: {str(error) or type(error).__name__}"
            ) from error
        if not answer.is_success:
            raise WheeltapperError(f"Prefect refused {method} {path}: {answer.status_code} {answer.text[:500]}")
        return content

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx

        # No connection is kept: nothing has to be closed, and none is stale after the server was started again.
        unkept = httpx.Limits(max_keepalive_connections=0)
        return httpx.Client(base_url=self.address, timeout=60, limits=unkept)

    # -- set-up --------------------------------------------------------------------------------------------------

    def make_pool(self) -> None:
        """Create the work pool, unless it exists."""
        if any(pool["name"] == POOL for pool in self.request("work_pools/filter", {})):
            return
        workers = self.request("collections/views/aggregate-worker-metadata")
        pool = {
            "name": POOL,
            "type": "process",
            "description": "Runs flows as processes of this machine.",
            "base_job_template": workers["prefect"]["process"]["default_base_job_configuration"],
        }
        self.request("work_pools/", pool)

    def make_automation(self) -> None:
        """Create the automation that frees the place of a run whose process and worker were both killed."""
        if any(automation["name"] == _ZOMBIES for automation in self.request("automations/filter", {})):
            return
        ends = [f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")]
        trigger = {
            "type": "event",
            "posture": "Proactive",
            "match": {"prefect.resource.id": ["prefect.flow-run.*"]},
            "for_each": ["prefect.resource.id"],
            "after": [_HEARTBEAT],
            "expect": [_HEARTBEAT, *ends],
            "threshold": 1,
            "within": SILENCE.total_seconds(),
        }
        action = {"type": "change-flow-run-state", "state": "CRASHED", "name": "Crashed", "message": _silent()}
        automation = {
            "name": _ZOMBIES,
            "description": f"A run that gives no sign of life for {SILENCE.total_seconds():.0f} s has crashed.",
            "enabled": True,
            "trigger": trigger,
            "actions": [action],
        }
        self.request("automations/", automation)

    # -- looking -------------------------------------------------------------------------------------------------

    def deployments(self) -> list[dict[str, Any]]:
        """List the deployments, each with its flow's name as ``flow``."""
        flows = {flow["id"]: flow["name"] for flow in self.request("flows/filter", {"limit": 200})}
        deployments = self.request("deployments/filter", {"limit": 200})
        return [deployment | {"flow": flows.get(deployment["flow_id"], "?")} for deployment in deployments]

    def next_runs(self) -> dict[str, datetime | None]:
        """Return when each deployment with an active schedule runs next; None where Prefect has planned nothing."""
        active = [
            deployment
            for deployment in self.deployments()
            if not deployment["paused"] and any(schedule["active"] for schedule in deployment["schedules"])
        ]
        return {f"{deployment['flow']}/{deployment['name']}": self._next_run(deployment) for deployment in active}

    def _next_run(self, deployment: dict[str, Any]) -> datetime | None:
        runs = self.request(
            "flow_runs/filter",
            {
                "deployments": {"id": {"any_": [deployment["id"]]}},
                "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
                "sort": "EXPECTED_START_TIME_ASC",
                "limit": 1,
            },
        )
        return datetime.fromisoformat(runs[0]["expected_start_time"]) if runs else None

    def has_worker(self) -> bool:
        """Say whether a worker of the pool is online."""
        return any(worker["status"] == "ONLINE" for worker in self.request(f"work_pools/{POOL}/workers/filter", {}))

    # -- cleaning up ---------------------------------------------------------------------------------------------

    def end_silent_runs(self, now: datetime) -> list[str]:
        """Mark runs as crashed whose process must have ended; return their names.

        After a power cut or kill -9 Prefect shows them as running forever, and no other run of the deployment starts.
        """
        return self._end([run for run in self._unfinished() if now - self._last_sign(run) > SILENCE], _silent())

    def end_all_runs(self, reason: str) -> list[str]:
        """Mark every unfinished run as crashed, because its server is being ended; return their names."""
        return self._end(self._unfinished(), reason)

    def _unfinished(self) -> list[dict[str, Any]]:
        condition = {"flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}, "limit": 200}
        runs: list[dict[str, Any]] = self.request("flow_runs/filter", condition)
        return runs

    def _end(self, runs: list[dict[str, Any]], reason: str) -> list[str]:
        state = {"type": "CRASHED", "name": "Crashed", "message": reason}
        for run in runs:
            self.request(f"flow_runs/{run['id']}/set_state", {"state": state, "force": True})
        return [str(run["name"]) for run in runs]

    def _last_sign(self, run: dict[str, Any]) -> datetime:
        """Return when a run last changed its state or sent a heartbeat."""
        condition = {
            "filter": {
                "event": {"name": [_HEARTBEAT]},
                "resource": {"id": [f"prefect.flow-run.{run['id']}"]},
                "order": "DESC",
            },
            "limit": 1,
        }
        events = self.request("events/filter", condition)["events"]
        signs = [run["state"]["timestamp"], *(event["occurred"] for event in events)]
        return max(datetime.fromisoformat(sign) for sign in signs)


def _silent() -> str:
    return f"No sign of life for {SILENCE.total_seconds():.0f} s: its process was killed, or the machine was off."
