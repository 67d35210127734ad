from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest
from clocks import SkippingTime
from factories import in_order, many, texts

from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.errors import MaestroQAAuthError
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.resources import resource_named
from airflow_provider_maestroqa.pushes.runner import run_push
from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.storage.open import open_object

WIDE = {"normal": [[100000, 0.01]], "hard": [[100000, 0.01]]}


class StateStore:
    """Saves a value for the next try, as JSON."""

    is_persistent = True
    where = "the test's store"

    def __init__(self):
        self.saved = None
        self.history = []

    def load(self):
        return None if self.saved is None else json.loads(self.saved)

    def save(self, value):
        self.saved = json.dumps(value)
        self.history.append(value)

    def clear(self):
        self.saved = None


@pytest.fixture
def state_store():
    return StateStore()


@pytest.fixture
def make_sandbox():
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(Sandbox(**{"limits": {}, "unknown_tickets": "accept", **options}))


@pytest.fixture
def sandbox(make_sandbox):
    return make_sandbox()


@pytest.fixture
def push(request):
    """Push records into a sandbox, as the hook does; give back the report.

    ``before`` is called before a request waits for its slot, ``leaving`` as it leaves.
    """
    clock = budget_clock = SkippingTime().clock()

    def run(
        resource,
        records,
        *,
        to=None,
        route=None,
        state_store=None,
        run="",
        is_first_try=True,
        rejects=None,
        update_first=False,
        timeout=5,
        before=None,
        leaving=None,
        clock=clock,
        **options,
    ):
        sandbox = to or request.getfixturevalue("sandbox")
        settings = read_settings(
            "test",
            host=route.url(sandbox.url) if route else sandbox.url,
            password=sandbox.token,
            extra={"rate_limits": WIDE, "timeout": timeout, **(route.extra if route else {})},
        )
        address = {"base_url": settings.base_url, "token": settings.token}
        budget = open_budget(store="memory", limits=settings.limits, clock=budget_clock, **address)
        request_stats = RequestStats()
        client = SyncClient(settings, budget, stats=request_stats)
        chosen = PushOptions.parse(**options)

        def send(call, *, on_in_flight):
            def note(is_in_flight):
                on_in_flight(is_in_flight)
                if is_in_flight and leaving is not None:
                    leaving(call)

            if before is not None:
                before(call)
            return client.send(replace(call, resend=True) if chosen.resends else call, on_in_flight=note)

        try:
            report = run_push(
                resource_named(resource, update_first=update_first),
                records,
                send=send,
                request_stats=request_stats,
                options=chosen,
                rejects_to=open_object(str(rejects)) if rejects else None,
                state_store=state_store,
                run=run,
                is_first_try=is_first_try,
                clock=clock,
            )
        finally:
            client.close()
            budget.close()
        return report

    return run


@pytest.fixture
def comments():
    return many("comments", 1300)


@pytest.fixture
def stopped(push, sandbox, comments, state_store):
    """A push of comments whose second batch was refused for its token."""
    sandbox.fault(kind="status", status=401, body={"error": "expired"}, path="/api/v1/comments-batch", after=1)
    with pytest.raises(MaestroQAAuthError):
        push("comments", comments, state_store=state_store, run="run 1")
    assert texts(sandbox) == in_order(500)
