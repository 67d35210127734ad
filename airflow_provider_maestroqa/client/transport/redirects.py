"""What is said of a redirect of the API, which is never followed: the token would travel along."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from airflow_provider_maestroqa.client.hosts import NEW_HOST, NEW_NAME, OLD_NAME
from airflow_provider_maestroqa.client.server_text import clean_text


def redirect_message(base_url: str, location: str, *, secrets: Sequence[str] = ()) -> str:
    """Say where a redirect leads, and which host belongs into the connection.

    :param base_url: the host that was asked; empty where it is not known.
    :param location: the redirect's target. Its user, query and fragment are left out: they may hold secrets.
    :param secrets: texts that a server may echo and that no message may hold.
    """
    host, target = _read_target(location)
    name = urlsplit(base_url).hostname
    advice = "Check the connection's host."
    if name == OLD_NAME or (host == NEW_NAME and name != NEW_NAME):
        advice = f"MaestroQA is called Rippit now: put {NEW_HOST} into the connection's host."
    leads_to = clean_text(target, secrets=secrets)
    parts = (
        "a redirect, which is not followed because the token must not travel to another host.",
        f"It leads to {leads_to}." if leads_to else "",
        advice,
    )
    return " ".join(filter(None, parts))


def _read_target(location: str) -> tuple[str, str]:
    """The host of a target, and its address without user, query and fragment."""
    try:
        parts = urlsplit(location.strip())
        host = parts.hostname or ""
    except ValueError:
        return "", ""
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return host, bare.geturl().partition(";")[0]
