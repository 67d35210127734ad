import pytest
import requests

T, A = "t-1", "agent-1@example.com"


NEW_AGENT = {"name": "A", "available": True, "email": "new@example.com"}
#: Each write operation: how it is sent, where a text stands for the record of that maker, and what it makes true.
WRITES = {
    "create_ticket": ("POST", "/tickets", "ticket", lambda sandbox: len(sandbox.tickets) == 2),
    "update_ticket": ("PATCH", f"/tickets/{T}", {"status": "x"}, lambda sandbox: "status" in sandbox.tickets[T]),
    "delete_ticket": ("DELETE", f"/tickets/{T}", None, lambda sandbox: T not in sandbox.tickets),
    "create_comment": ("POST", "/comments", "comment", lambda sandbox: sandbox.comments),
    "create_comments": ("POST", "/comments-batch", ["comment"] * 3, lambda sandbox: len(sandbox.comments) == 3),
    "create_attachment": (
        *("POST", "/attachments", {"ticket_id": T, "content_type": "audio/mp3"}),
        lambda sandbox: sandbox.attachments,
    ),
    "create_agent": ("POST", "/agents", NEW_AGENT, lambda sandbox: len(sandbox.agents) == 21),
    "add_agent_id": (
        *("POST", "/agents/add-id-to-agent", {"email": A, "agentId": "x"}),
        lambda sandbox: sandbox.agents[A]["agentId"] == "x",
    ),
    "set_agent_availability": (
        *("POST", "/update-agent-availability", {"email": A, "available": False}),
        lambda sandbox: not sandbox.agents[A]["available"],
    ),
    "push_ticket_metrics": (
        *("POST", "/ticket-metrics-batch", ["ticket_metric"]),
        lambda sandbox: sandbox.ticket_metrics,
    ),
    "push_agent_metrics": ("POST", "/agent-metrics-batch", ["agent_metric"], lambda sandbox: sandbox.agent_metrics),
    "request_data_deletion": (
        *("DELETE", "/data-deletion-request", {"emails": ["ann@example.com"]}),
        lambda sandbox: sandbox.deletions,
    ),
    "push_csat_scores": (
        *("POST", "/create-customer-feedback", {"data": "csat_score"}),
        lambda sandbox: sandbox.csat_scores,
    ),
}


@pytest.fixture(params=WRITES)
def write(request, client, records):
    """One write operation: it is sent by a call, and ``happened`` tells whether it was carried out."""
    client.sandbox.add_tickets([T])
    method, path, body, happened = WRITES[request.param]
    if isinstance(body, str):
        body = records.ticket("new") if body == "ticket" else getattr(records, body)()
    elif isinstance(body, list):
        body = {"batch": [getattr(records, name)() for name in body]}
    elif body and body.get("data"):
        body = {"data": [getattr(records, body["data"])()]}
    return Write(client, method, path, body, lambda: bool(happened(client.sandbox)))


class Write:
    def __init__(self, client, method, path, body, happened):
        self.client, self.sandbox, self.happened = client, client.sandbox, happened
        self._sent = (method, f"/api/v1{path}", {} if body is None else {"json": body})

    def __call__(self, **options):
        method, path, body = self._sent
        return self.client.api(method, path, **body, **options)


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ({"kind": "status", "status": 500}, 500, "error"),
        ({"kind": "status", "status": 401}, 401, "error"),
        ({"kind": "html"}, 200, "<html>"),
        ({"kind": "malformed_json"}, 200, '{"'),
        ({"kind": "empty_body"}, 200, ""),
        ({"kind": "redirect"}, 302, ""),
        ({"kind": "rate_limited", "text": "minute"}, 429, "past minute"),
    ],
    ids=lambda value: value.get("kind") if isinstance(value, dict) else "",
)
def test_an_answer_is_spoiled_before_or_after_the_work(write, fault, status, text, done):
    write.sandbox.fault(**fault, done=done)
    answer = write()
    assert (answer.status_code, text in answer.text) == (status, True)
    assert write.happened() is done


@pytest.mark.parametrize(("kind", "happened"), [("reset_before", False), ("reset_after", True)])
def test_a_connection_is_dropped_before_or_after_the_work(write, kind, happened):
    write.sandbox.fault(kind)
    with pytest.raises(requests.ConnectionError):
        write()
    assert write.happened() is happened


@pytest.mark.parametrize("done", [False, True])
def test_who_goes_away_while_its_request_is_held_leaves_what_was_done(write, done):
    write.sandbox.fault("timeout", done=done)
    with pytest.raises(requests.ReadTimeout):
        write(timeout=0.1)
    write.sandbox.wait_for(lambda: write.sandbox.requests[-1].done)
    write.sandbox.release()
    # A request that comes after the release: what was held would have been carried out by then.
    assert write.client.call("GET", "/tickets/none")[0] == 404
    assert write.happened() is done


@pytest.mark.parametrize("done", [False, True])
def test_a_held_request_is_handled_before_or_after_its_release(write, held, done):
    write.sandbox.fault("timeout", done=done)
    with held(write.sandbox, lambda: write().status_code) as statuses:
        assert write.happened() is done
    assert statuses[0] in (200, 201)
    assert write.happened()


@pytest.mark.parametrize("kind", ["reset_after", "html"])
def test_a_refusal_can_be_spoiled_as_well(client, kind):
    client.sandbox.fault(kind, done=True)
    if kind == "html":
        assert client.api("DELETE", "/api/v1/tickets/none").status_code == 200
    else:
        with pytest.raises(requests.ConnectionError):
            client.api("DELETE", "/api/v1/tickets/none")


def test_an_error_response_can_be_held(client, held):
    client.sandbox.fault("timeout", done=True)
    with held(client.sandbox, lambda: client.call("DELETE", "/tickets/none")[0]) as statuses:
        pass
    assert statuses == [404]


def test_a_token_can_end_in_the_middle(client, records):
    client.sandbox.add_tickets([T])
    client.sandbox.fault("status", status=401, after=2, times=None, path="/api/v1/comments")
    statuses = [client.call("POST", "/comments", records.comment())[0] for _ in range(4)]
    assert statuses == [200, 200, 401, 401]
    assert len(client.sandbox.comments) == 2
    client.sandbox.clear_faults()
    client.sandbox.revoke_token(client.sandbox.token)
    assert client.call("POST", "/comments", records.comment())[0] == 401


def test_a_refused_write_counts_towards_the_limits_and_is_not_done(make_sandbox, make_client, records, clock):
    client = make_client(make_sandbox(limits={"normal": [[1, 60]]}, clock=clock, unknown_tickets="accept"))
    assert [client.call("POST", "/comments", records.comment())[0] for _ in range(2)] == [200, 429]
    assert len(client.sandbox.comments) == 1
