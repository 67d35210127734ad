"""What is compared: this package's push, and the loop that teams write today."""

from __future__ import annotations

import itertools
import logging
import re
import time

import requests
import tenacity

from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.resources import resource_named
from airflow_provider_maestroqa.pushes.runner import run_push

TOKEN = "sandbox-token"
BATCH = 500
LOG = logging.getLogger("airflow_provider_maestroqa")
PATHS = {"ticket_metrics": "/api/v1/ticket-metrics-batch", "comments": "/api/v1/comments-batch"}


def metric(name, number):
    return {
        "ticket_id": f"T-{number % 10}",
        "source_id": "helpdesk",
        "agent_id": "agent-1",
        "metric_id": "handle_time",
        "metric_value": number / 4,
        "timestamp": "2026-01-31T12:00:00Z",
        "ticket_event_id": name,
    }


def comment(name, number):
    return {
        "ticket_id": f"T-{number % 10}",
        "body": name,
        "author_id": "agent-1",
        "role": "agent",
        "public": False,
        "time": "2026-01-31T12:00:00Z",
    }


MAKE = {"ticket_metrics": metric, "comments": comment}


class Source:
    """One task's records, as long as there is time; some of them name a ticket that there is not, all the same one.

    :param task: which task of how many.
    :param until: when to stop, by the monotonic clock; records are whole batches.
    :param bad_in: one record in so many is bad; 0 for none.
    """

    def __init__(self, resource, task, tasks, until, bad_in):
        self._make = MAKE[resource]
        self._task, self._tasks, self._until, self._bad_in = task, tasks, until, bad_in
        self.count = 0

    def __iter__(self):
        while self.count % BATCH or time.monotonic() < self._until:
            number, self.count = self.count, self.count + 1
            record = self._make(self.name(number), number)
            yield {**record, "ticket_id": "nobody's"} if self.is_bad(number) else record

    def name(self, number):
        return f"record {self._task}-{number}"

    def is_bad(self, number):
        if not self._bad_in:
            return False
        # Not at the same place each time, and not in all tasks at once.
        block = number // self._bad_in
        place = 1777 + 2311 * block + self._bad_in * self._task // self._tasks
        return number % self._bad_in == place % self._bad_in


class PackageSender:
    """This package: one SQLite file for all tasks; refused records are searched for, unknown ones named."""

    concurrency = None

    def __init__(self, url, limits, store, margins=None):
        self._margins = margins
        self._settings = read_settings(
            "benchmark",
            host=url,
            password=TOKEN,
            extra={"rate_limits": {"normal": limits}, "rate_limit_store": store},
        )

    def push(self, resource, source):
        settings, request_stats = self._settings, RequestStats()
        budget = open_budget(
            store=settings.rate_limit_store,
            base_url=settings.base_url,
            token=settings.token,
            limits=settings.limits,
            margins=self._margins,
        )
        client = SyncClient(settings, budget, stats=request_stats)
        options = PushOptions.parse(on_error="collect", on_unknown_outcome="skip", concurrency=self.concurrency)
        passed_over = PassedOver()
        LOG.addHandler(passed_over)
        LOG.propagate = False
        try:
            report = run_push(
                resource_named(resource),
                source,
                send=client.send,
                request_stats=request_stats,
                options=options,
                run="benchmark",
            )
        finally:
            LOG.removeHandler(passed_over)
            client.close()
            budget.close()
        assert report.unconfirmed == len(passed_over.numbers), report
        return {"rejected": report.rejected, "named": [source.name(number) for number in passed_over.numbers]}


class OneAtATime(PackageSender):
    """This package, with one request under way at a time."""

    concurrency = 1


class PassedOver(logging.Handler):
    """Reads in the log which records may or may not have arrived."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.numbers = []

    def emit(self, record):
        match = re.match(r"Continuing after records? ([0-9 to,]+), which may or may not", record.getMessage())
        for part in match[1].split(", ") if match else ():
            first, _, last = part.partition(" to ")
            self.numbers += range(int(first), int(last or first) + 1)


class AgainError(Exception):
    """The answer was a 429 or a 5xx."""


class PlainSender:
    """requests and tenacity: batches of 500, back-off after 429, 5xx and lost connections, each task for itself.

    A batch that is refused is logged and left, so that the loop gets to its end.
    """

    def __init__(self, url, limits, _store, _margins=None):
        self._url = url
        self._longest = max(seconds for _, seconds in limits)

    def push(self, resource, source):
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((AgainError, requests.ConnectionError, requests.Timeout)),
            wait=tenacity.wait_random_exponential(multiplier=0.25, max=self._longest),
        )
        rejected, records = 0, iter(source)
        with requests.Session() as session:
            while batch := list(itertools.islice(records, BATCH)):
                if not retrying(self._post, session, PATHS[resource], batch):
                    rejected += len(batch)
        return {"rejected": rejected, "named": []}

    def _post(self, session, path, batch):
        headers = {"apitoken": TOKEN}
        answer = session.post(self._url + path, json={"batch": batch}, headers=headers, timeout=60)
        if answer.status_code == 429 or answer.status_code >= 500:
            raise AgainError(answer.status_code)
        return answer.ok


SENDERS = (("the package", PackageSender), ("plain loop", PlainSender))
