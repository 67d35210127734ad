"""Records for tests: dicts with the API's own keys, valid as they are; any field can be overridden."""

from __future__ import annotations

TIMESTAMP = "2017-12-13T05:00:00Z"


def ticket(ticket_id="t-1", **fields):
    return {
        "ticket_id": ticket_id,
        "type": "phone",
        "subject": "New ticket",
        "agents": ["agent-1"],
        "link": f"https://desk.example.com/{ticket_id}",
        **fields,
    }


def comment(ticket_id="t-1", body="Hello", **fields):
    return {"ticket_id": ticket_id, "body": body, **fields}


def ticket_metric(ticket_id="t-1", agent_id="agent-1", value=17, **fields):
    return {
        "ticket_id": ticket_id,
        "source_id": "crm",
        "agent_id": agent_id,
        "metric_id": "response_time",
        "metric_value": value,
        "timestamp": TIMESTAMP,
        **fields,
    }


def agent_metric(agent_id="agent-1", value=28800, **fields):
    return {
        "agent_id": agent_id,
        "metric_id": "hours_worked",
        "metric_value": value,
        "timestamp": TIMESTAMP,
        **fields,
    }


def csat_score(ticket_id="t-1", score=4, **fields):
    return {"submitted_at": TIMESTAMP, "ticket_id": ticket_id, "agent_id": "agent-1", "score": score, **fields}


def agent(email="ann@example.com", **fields):
    return {"name": "Ann", "available": True, "email": email, **fields}


_NUMBERED = {
    "tickets": lambda number: ticket(f"T-{number}", subject=f"Subject {number}"),
    "comments": lambda number: comment(f"T-{number % 7}", f"comment {number}"),
    "ticket_metrics": lambda number: ticket_metric(f"T-{number}", value=number),
    "agent_metrics": lambda number: agent_metric(value=number, metric_id=f"m{number}"),
    "csat_scores": lambda number: csat_score(f"T-{number % 7}", comment=f"comment {number}"),
    "agents": lambda number: agent(f"new-{number}@example.com", name=f"New {number}"),
}


def numbered(resource, number, **fields):
    """One of many records of a resource; those of different numbers differ."""
    return {**_NUMBERED[resource](number), **fields}


def many(resource, count, changes=None, **fields):
    """The first ``count`` records of a resource.

    :param changes: fields to override in single records, by their number.
    :param fields: fields to override in all of them.
    """
    changes = changes or {}
    return [numbered(resource, number, **fields, **changes.get(number, {})) for number in range(count)]


def in_order(count):
    """The texts of that many numbered comments."""
    return [f"comment {number}" for number in range(count)]


def texts(sandbox):
    """The texts of the comments that a sandbox has."""
    return [one["body"] for one in sandbox.comments]
