"""The page for a person who opens the sandbox in a browser: what it is, and what it holds."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from hashlib import sha256
from html import escape
from typing import Any

from airflow_provider_maestroqa.sandbox.data.coaching_rows import LISTS
from airflow_provider_maestroqa.sandbox.data.exports import Export
from airflow_provider_maestroqa.sandbox.faults import KINDS
from airflow_provider_maestroqa.sandbox.inspection import RECORDS
from airflow_provider_maestroqa.sandbox.rate_limiter import Limits
from airflow_provider_maestroqa.sandbox.state import State

#: How many exports and requests are shown, the last ones.
_SHOWN = 20
_ABOUT = (
    "A MaestroQA to run on your desk, for tests: it follows the documented rules, and produces the faults that you "
    "set. Nothing here reaches the real MaestroQA."
)
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2430; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin: 0 } h2 { margin: 2rem 0 .5rem; font-size: 1.15rem } .note { color: #5b6270 }
table { border-collapse: collapse; width: 100% } th { text-align: left; color: #5b6270; font-weight: 600 }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #e3e6ec; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums } table.small { width: auto }
code, pre { font: 13px/1.5 ui-monospace, monospace } pre { background: #f4f5f8; padding: .8rem; overflow-x: auto }
.complete { color: #13753f } .errored { color: #b3261e }
"""
#: What a Content-Security-Policy calls the page's style.
STYLE_HASH = f"sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}"


def render(state: State) -> str:
    """Write the page. It holds no token and no presigned URL."""
    sections = {
        "Exports": _exports(state),
        "Records": _records(state),
        "Last requests": _requests(state),
        "Limits of a token": _limits(state.limiter.limits),
        "Faults": _faults(state),
    }
    body = "\n".join(f"<h2>{title}</h2>\n{section}" for title, section in sections.items())
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>MaestroQA sandbox</title>
<style>{_STYLE}</style></head><body>
<h1>MaestroQA sandbox</h1>
<p class="note">{_ABOUT}</p>
{body}
</body></html>"""


def _exports(state: State) -> str:
    exports = list(state.exports.by_id.values())
    if not exports:
        return "<p>No export has been requested yet.</p>"
    rows = [_export(state, one) for one in exports[: -_SHOWN - 1 : -1]]
    heads = ("Id", "Type", "Name", "Window", "Status", "#Polls", "#Rows", "#Bytes")
    return _table(heads, rows) + _left_out(len(exports), "exports")


def _export(state: State, export: Export) -> list[str]:
    if not state.exports.is_due(export) or export.outcome == "never":
        status = "in progress" if export.polls else "requested"
    else:
        status = "errored" if export.outcome == "errored" else "complete"
    stored = export.stored if status == "complete" else None
    return [
        _code(export.export_id),
        _text(export.export_type),
        _text(export.parameters.get("name") or ""),
        _window(export.parameters),
        f'<span class="{status}">{status}</span>',
        _number(export.polls),
        _number(sum(file.rows for file in export.files.values()) if stored else None),
        _number(stored.size if stored else None),
    ]


def _window(parameters: Mapping[str, Any]) -> str:
    ends = [
        str(parameters[name]).replace("T00:00:00Z", "") for name in ("startDate", "endDate") if name in parameters
    ]
    return _text(" to ".join(ends))


def _records(state: State) -> str:
    rows = [
        [
            f'<a href="/sandbox/{name.replace("_", "-")}?limit=100">{name.replace("_", " ")}</a>',
            _number(len(records(state.account))),
        ]
        for name, records in RECORDS.items()
    ]
    rows += [
        [_text(name.replace("-", " ")), _number(len(state.coaching.all_of(record_type)))]
        for name, record_type in LISTS.items()
    ]
    return _table(("Type", "#Number"), rows, small=True)


def _requests(state: State) -> str:
    logged = state.log.all()
    links = (
        '<p><a href="/sandbox/requests?limit=100">The last hundred as JSON</a>, with their bodies; '
        '<a href="/sandbox/state">the whole state</a> likewise.</p>'
    )
    if not logged:
        return "<p>No request has been received yet.</p>" + links
    rows = [
        [
            _text(datetime.fromtimestamp(one.at, timezone.utc).strftime("%H:%M:%S")),
            _code(one.method),
            # Of a presigned URL the path alone: its query is what signs it.
            _code(one.path),
            _text("none yet" if one.status is None else one.status),
            _text(one.host),
        ]
        for one in logged[: -_SHOWN - 1 : -1]
    ]
    return (
        _table(("Time (UTC)", "Method", "Path", "Status", "Host"), rows) + _left_out(len(logged), "requests") + links
    )


def _limits(limits: Limits) -> str:
    if not limits:
        return "<p>None.</p>"
    rows = [
        [_text(bucket), ", ".join(f"{number:g} in {seconds:g} s" for number, seconds in windows)]
        for bucket, windows in limits.items()
    ]
    return _table(("Bucket", "Requests"), rows, small=True)


def _faults(state: State) -> str:
    kinds = [[_code(name), _text(kind.family), _text(kind.about)] for name, kind in KINDS.items()]
    armed = [
        [
            _code(one["kind"]),
            _text(
                ", ".join(f"{name}: {value}" for name, value in one.items() if name not in ("kind", "fired", "spent"))
            ),
            _number(one["fired"]),
        ]
        for one in state.faults.as_json()
    ]
    set_now = _table(("Fault", "Parameters", "#Fired"), armed) if armed else "<p>None is set.</p>"
    url = escape(state.api_url)
    return f"""{set_now}
<p>See <a href="/sandbox/faults">faults as JSON</a>. To set one, to remove all, and to go back to the start:</p>
<pre>curl -X POST {url}/sandbox/faults -H 'Content-Type: application/json' \\
  -d '{{"kind": "status", "status": 503, "times": 2}}'
curl -X DELETE {url}/sandbox/faults
curl -X POST {url}/sandbox/reset</pre>
<p>Or give an export a name such as <code>fault:errored</code>.</p>
<details><summary>Kinds of faults</summary>{_table(("Kind", "Family", "What it does"), kinds)}</details>"""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, small: bool = False) -> str:
    """A table of cells that are HTML already. A head that begins with # is of numbers."""
    numbers = [head.startswith("#") for head in heads]
    top = "".join(f"<th>{escape(head.removeprefix('#'))}</th>" for head in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="number">{cell}</td>' if number else f"<td>{cell}</td>"
            for cell, number in zip(row, numbers, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    return f"<table{' class=small' if small else ''}><tr>{top}</tr>\n{body}</table>"


def _left_out(number: int, what: str) -> str:
    return f'<p class="note">The last {_SHOWN} of {number:,} {what}.</p>' if number > _SHOWN else ""


def _text(value: Any) -> str:
    """Any text as HTML, also one that is no Unicode."""
    plain = str(value).encode("utf-8", "backslashreplace").decode()
    short = plain if len(plain) <= 200 else f"{plain[:200]}…"
    return escape(short)


def _code(value: Any) -> str:
    return f"<code>{_text(value)}</code>"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
