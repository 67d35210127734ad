"""Which rows of the fault tables run through proxies."""

#: Kinds of record that stand for the others behind a proxy, those that must not be sent twice and one that may; and
#: where their position is kept. What is specific to scores, their responses, does not depend on where that is.
BEHIND_PROXIES = {
    "comments": ("task_state_store", "state_path", "nothing"),
    "csat_scores": ("state_path",),
    "ticket_metrics": ("task_state_store", "state_path", "nothing"),
}


def pytest_collection_modifyitems(items):
    """Leave out the rows of the other kinds through proxies."""
    items[:] = [item for item in items if _is_needed(getattr(getattr(item, "callspec", None), "params", {}))]


def _is_needed(params):
    if params.get("route", "direct") == "direct":
        return True
    return params.get("kept", "state_path") in BEHIND_PROXIES.get(params.get("kind", "comments"), ())
