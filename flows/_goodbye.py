"""Send queued logs and events to Prefect's server before the server is stopped."""

from __future__ import annotations


def send_the_rest(seconds: float = 10.0) -> None:
    """Send logs and events that wait in queues, for at most this long each."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for queue in (APILogWorker, EventsWorker):
        queue.drain_all(timeout=seconds)
