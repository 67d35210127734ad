"""Exports: the two ways to look at one, their statuses, and their URLs."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from airflow_provider_maestroqa.check.account import SCRATCH_NAME, CheckedAccount, Reply
from airflow_provider_maestroqa.check.finding import Finding, not_seen, otherwise, told
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.redaction import shown_names
from airflow_provider_maestroqa.check.sample_exports import look_by_path, sample_exports
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.presigned import is_safe
from airflow_provider_maestroqa.client.resources.exports import ExportStatus

_UNKNOWN_ID = f"{SCRATCH_NAME}-no-export"
_S3 = re.compile(r"\.s3[.-]([a-z0-9-]+\.)?amazonaws\.com$")


def _lookup(account: CheckedAccount) -> Finding:
    export = sample_exports(account)["raw"]
    if export.by_body is None or export.by_path is None:
        return otherwise(f"no exportId: {export.request.says}")
    works = {"body": export.by_body.is_success, "path": export.by_path.is_success}
    seen = f"id in the body: {export.by_body.says}; id in the path: {export.by_path.says}"
    ways = [name for name, is_working in works.items() if is_working]
    return told(len(ways) == 2, seen, **({"export_lookup": "both" if len(ways) == 2 else ways[0]} if ways else {}))


def _unknown(account: CheckedAccount) -> Finding:
    by_body = sample_exports(account)["raw"].by_body
    if by_body is not None and by_body.is_success:
        reply: Reply = account.ask(build_request("get_export", {"exportId": _UNKNOWN_ID}))
    else:
        reply = look_by_path(account, _UNKNOWN_ID)
    return told(reply.status == 404 and reply.is_explained, reply.says)


def _statuses(account: CheckedAccount) -> Finding:
    exports = [one for one in sample_exports(account).values() if one.statuses]
    if not exports:
        return not_seen("no export could be looked at")
    seen = list(dict.fromkeys(status for one in exports for status in one.statuses))
    documented = {status.value for status in ExportStatus}
    profile = {"complete_status": "completed"} if "completed" in seen else {}
    shown = shown_names(seen)
    if "errored" in seen:
        shown += f" ({', '.join(one.export_type for one in exports if 'errored' in one.statuses)})"
    return told(set(seen) <= documented, shown, **profile)


def _url(account: CheckedAccount) -> Finding:
    urls = [url for one in sample_exports(account).values() for url in one.urls]
    if not urls:
        return not_seen("no export had data")
    parts = urlsplit(urls[0])
    expires = parse_qs(parts.query).get("X-Amz-Expires", [""])[0]
    storage = _S3.search(parts.hostname or "")
    host = f"[bucket]{storage[0]}" if storage else "another host"
    seen = f"{parts.scheme} at {host}, for {expires or 'an unknown number of'} s"
    profile = {"url_ttl": float(expires)} if expires.isdigit() else {}
    return told(is_safe(urls[0]) and expires.isdigit() and int(expires) >= 60, seen, **profile)


PROBES = (
    Probe(
        "export_lookup",
        "An export can be looked at with its id in the body of a GET, and with its id in the path.",
        "Nothing to do: the way that works is found and remembered.",
        _lookup,
    ),
    Probe(
        "unknown_export",
        "An export that does not exist gets 404, and a message.",
        "A task that waits for a wrong id waits until its timeout.",
        _unknown,
    ),
    Probe(
        "export_status",
        "The status of an export is requested, in_progress, complete or errored.",
        "`completed` counts as complete. Any other status counts as not yet, until the timeout.",
        _statuses,
    ),
    Probe(
        "download_url",
        "An export is downloaded over https, from a URL that is signed for a minute or longer.",
        "Downloads may fail. A proxy or firewall must let workers reach the storage host.",
        _url,
    ),
)
