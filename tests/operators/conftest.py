"""Which rows of the fault tables run through proxies."""

#: Kinds of record that stand for the others behind a proxy: one that must not be sent twice, and one that may.
BEHIND_PROXIES = ("comments", "ticket_metrics")


def pytest_collection_modifyitems(items):
    """Leave out the rows of the other kinds through proxies."""
    items[:] = [item for item in items if _is_needed(getattr(getattr(item, "callspec", None), "params", {}))]


def _is_needed(params):
    return params.get("route", "direct") == "direct" or params.get("kind", "comments") in BEHIND_PROXIES
