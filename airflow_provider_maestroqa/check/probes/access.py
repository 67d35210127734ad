"""Token, host and clock."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow_provider_maestroqa.check.account import SCRATCH_NAME, CheckedAccount
from airflow_provider_maestroqa.check.finding import Finding, as_read, not_seen, otherwise, told
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.redaction import shown_names
from airflow_provider_maestroqa.client.endpoints import HeaderAuth
from airflow_provider_maestroqa.client.hosts import DEFAULT_HOST, NEW_HOST, NEW_NAME, OLD_NAME
from airflow_provider_maestroqa.client.resources.catalogue import LIST_RESOURCES

_MAX_SKEW_S = 60
_SUNSET = ("deprecation", "sunset")


class _NoToken(HeaderAuth):
    def headers(self, token: str) -> dict[str, str]:  # noqa: ARG002
        return {}


class _WrongToken(HeaderAuth):
    def headers(self, token: str) -> dict[str, str]:  # noqa: ARG002
        return {self.header: f"{SCRATCH_NAME}-no-token"}


def _token(account: CheckedAccount) -> Finding:
    reply = account.first_page(LIST_RESOURCES["todos"]).reply
    if 300 <= reply.status < 400:
        target = urlsplit(reply.headers.get("location", "")).hostname
        return otherwise(f"{reply.status} to {target if target in (OLD_NAME, NEW_NAME) else 'another host'}")
    headers = [name for name in reply.headers if "ratelimit" in name.replace("-", "") or name in _SUNSET]
    seen = f"{reply.says} at {account.host}; headers about limits or an end: {shown_names(headers)}"
    return told(reply.is_success and bool(reply.fields), seen)


def _other_host(account: CheckedAccount) -> Finding:
    other = {DEFAULT_HOST: NEW_HOST, NEW_HOST: DEFAULT_HOST}.get(account.hook.settings.base_url)
    if other is None:
        return not_seen("the connection names a host of its own")
    with account.hook.client.at_host(other):
        reply = account.get(LIST_RESOURCES["todos"].path, auth=_NoToken("apitoken"))
    return told(reply.status == 401 and reply.is_explained, f"{reply.says} without a token")


def _wrong_token(account: CheckedAccount) -> Finding:
    reply = account.get(LIST_RESOURCES["todos"].path, {"count": 1}, auth=_WrongToken("apitoken"))
    return told(reply.status == 401 and reply.is_explained, reply.says)


def _clock(account: CheckedAccount) -> Finding:
    reply = account.first_page(LIST_RESOURCES["todos"]).reply
    if reply.sent_at is None:
        return not_seen("no header Date")
    ahead = round(reply.sent_at - reply.received_at)
    if abs(ahead) <= _MAX_SKEW_S:
        return as_read(f"{abs(ahead)} s apart")
    return otherwise(f"MaestroQA's clock is {abs(ahead)} s {'ahead' if ahead > 0 else 'behind'}", date_offset=ahead)


PROBES = (
    Probe(
        "token",
        "The host of the connection answers and accepts the token, without a redirect.",
        "Nothing works until this does: correct the connection's host or password.",
        _token,
    ),
    Probe(
        "other_host",
        f"`{OLD_NAME}` and `{NEW_NAME}` are the same API.",
        "Stay with the host that works. If it ends, this package needs a new version.",
        _other_host,
    ),
    Probe(
        "wrong_token",
        "A wrong token gets 401, and a message.",
        "A task with an expired token may be retried, and its error may not name the token.",
        _wrong_token,
    ),
    Probe(
        "clock",
        "The clocks of MaestroQA and of this machine are at most a minute apart.",
        "Windows that end now miss or repeat records, and signed URLs may expire early. Set this machine's clock.",
        _clock,
    ),
)
