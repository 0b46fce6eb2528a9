"""What is asked of Prefect's server over HTTP by those who must not import Prefect: pool, automation, stale runs."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any

from wheeltapper.errors import WheeltapperError

POOL = "wheeltapper"
"""The work pool of ``prefect.yaml``."""

SILENCE = timedelta(seconds=90)
"""A run says every 30 s that it lives; one that was silent for so long is gone (three missed signs of life)."""

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
        """Tell whether anything answers at the address (a refusal is an answer)."""
        try:
            self._send("GET", "health", None, timeout=5)
        except urllib.error.HTTPError:
            return True
        except (OSError, HTTPException, ValueError):
            return False
        return True

    def ask(self, path: str, question: Any = None, *, method: str | None = None) -> Any:
        """Ask one thing: GET without a question, POST with one.

        Raises
        ------
        WheeltapperError
            If the server refuses or does not answer; the message holds what it said.
        """
        method = method or ("GET" if question is None else "POST")
        try:
            return self._send(method, path, question, timeout=60)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:500]
            raise WheeltapperError(f"Prefect refused {method} {path}: {error.code} {said}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise WheeltapperError(f"Prefect's server at {self.address} does not answer {path}: {error}") from error

    def _send(self, method: str, path: str, question: Any, *, timeout: float) -> Any:
        content = None if question is None else json.dumps(question).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}/{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    # -- set-up --------------------------------------------------------------------------------------------------

    def make_pool(self) -> None:
        """Make the work pool, unless there is one."""
        if any(pool["name"] == POOL for pool in self.ask("work_pools/filter", {})):
            return
        known = self.ask("collections/views/aggregate-worker-metadata")
        template = known["prefect"]["process"]["default_base_job_configuration"]
        about = "Runs flows as processes of this machine."
        self.ask("work_pools/", {"name": POOL, "type": "process", "description": about, "base_job_template": template})

    def make_automation(self) -> None:
        """Make the automation that frees the place of a run whose process and worker were both killed."""
        if any(one["name"] == _ZOMBIES for one in self.ask("automations/filter", {})):
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
        action = {"type": "change-flow-run-state", "state": "CRASHED", "name": "Crashed", "message": _gone()}
        about = f"A run that gives no sign of life for {SILENCE.total_seconds():.0f} s has crashed."
        self.ask(
            "automations/",
            {"name": _ZOMBIES, "description": about, "enabled": True, "trigger": trigger, "actions": [action]},
        )

    # -- looking -------------------------------------------------------------------------------------------------

    def deployments(self) -> list[dict[str, Any]]:
        """List the deployments, each with its flow's name as ``flow``."""
        flows = {flow["id"]: flow["name"] for flow in self.ask("flows/filter", {"limit": 200})}
        found = self.ask("deployments/filter", {"limit": 200})
        return [one | {"flow": flows.get(one["flow_id"], "?")} for one in found]

    def next_runs(self) -> dict[str, datetime | None]:
        """Return when each deployment with an active schedule runs next; None where Prefect has planned nothing."""
        coming = {}
        for one in self.deployments():
            if one["paused"] or not any(schedule["active"] for schedule in one["schedules"]):
                continue
            runs = self.ask(
                "flow_runs/filter",
                {
                    "deployments": {"id": {"any_": [one["id"]]}},
                    "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
                    "sort": "EXPECTED_START_TIME_ASC",
                    "limit": 1,
                },
            )
            when = datetime.fromisoformat(runs[0]["expected_start_time"]) if runs else None
            coming[f"{one['flow']}/{one['name']}"] = when
        return coming

    def has_worker(self) -> bool:
        """Tell whether a worker of the pool is at work."""
        return any(worker["status"] == "ONLINE" for worker in self.ask(f"work_pools/{POOL}/workers/filter", {}))

    # -- cleaning up ---------------------------------------------------------------------------------------------

    def end_silent_runs(self, now: datetime) -> list[str]:
        """Mark runs as crashed whose process cannot live any more; return their names.

        After a power cut or kill -9 Prefect shows them as running forever, and they hold their deployment's place.
        """
        return self._end([run for run in self._unfinished() if now - self._last_sign(run) > SILENCE], _gone())

    def end_all_runs(self, why: str) -> list[str]:
        """Mark every unfinished run as crashed, because what it needs is being ended; return their names."""
        return self._end(self._unfinished(), why)

    def _unfinished(self) -> list[dict[str, Any]]:
        question = {"flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}, "limit": 200}
        found: list[dict[str, Any]] = self.ask("flow_runs/filter", question)
        return found

    def _end(self, runs: list[dict[str, Any]], why: str) -> list[str]:
        for run in runs:
            state = {"type": "CRASHED", "name": "Crashed", "message": why}
            self.ask(f"flow_runs/{run['id']}/set_state", {"state": state, "force": True})
        return [str(run["name"]) for run in runs]

    def _last_sign(self, run: dict[str, Any]) -> datetime:
        """Return when a run last changed its state or said that it lives."""
        question = {
            "filter": {
                "event": {"name": [_HEARTBEAT]},
                "resource": {"id": [f"prefect.flow-run.{run['id']}"]},
                "order": "DESC",
            },
            "limit": 1,
        }
        events = self.ask("events/filter", question)["events"]
        signs = [run["state"]["timestamp"], *(event["occurred"] for event in events)]
        return max(datetime.fromisoformat(sign) for sign in signs)


def _gone() -> str:
    return f"No sign of life for {SILENCE.total_seconds():.0f} s: its process was killed, or the machine was off."
