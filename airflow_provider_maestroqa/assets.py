"""Assets of MaestroQA's data: their URIs, and the extra that a landing or a push adds to their events.

A URI names the host of the connection and a dataset, and never a token::

    maestroqa://app.maestroqa.com/exports/raw

A URI with ``app.rippit.com``, the service's new name, is the same asset and becomes this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from airflow_provider_maestroqa.client.hosts import OLD_NAME, account_host
from airflow_provider_maestroqa.client.resources.catalogue import LIST_RESOURCES
from airflow_provider_maestroqa.client.resources.exports import EXPORT_KINDS

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Asset

SCHEME = "maestroqa"
DEFAULT_HOST = OLD_NAME
#: What a URI can name, and what that is.
DATASETS: Mapping[str, str] = {
    "exports": "an export of an unknown type",
    **{kind.dataset: kind.content for kind in EXPORT_KINDS.values()},
    "tickets": "tickets",
    "comments": "comments of tickets",
    "attachments": "attachments of tickets",
    "ticket-metrics": "metrics of agents on tickets",
    "agent-metrics": "metrics of agents",
    "csat-scores": "customers' ratings of tickets",
    "agents": "agents",
    **{resource.dataset: resource.content for resource in LIST_RESOURCES.values()},
}
_EXAMPLE = f"{SCHEME}://{DEFAULT_HOST}/exports/raw"
_LABEL = re.compile(r"[A-Za-z0-9_.~-]+")


def maestroqa_asset(dataset: str, *, host: str = DEFAULT_HOST, extra: Mapping[str, Any] | None = None) -> Asset:
    """Make the asset of a MaestroQA dataset, for the outlets, inlets or the schedule of a DAG.

    On Airflow 2 it is a ``Dataset``.

    :param dataset: ``exports/raw``, ``tickets``, ``todos`` or another that the page on lineage lists. Labels of your
        own may follow, such as ``exports/raw/europe``.
    :param host: host of the connection, as it is written there: ``app.maestroqa.com`` or ``https://app.maestroqa.com``.
        Both names of the service make one asset.
    :param extra: what else Airflow stores with the asset.
    :raises ValueError: there is no such dataset, or the host is none.
    """
    from airflow_provider_maestroqa import _compat

    return _compat.Asset(uri=maestroqa_uri(dataset, host=host), extra=dict(extra) if extra is not None else None)


def maestroqa_uri(dataset: str, *, host: str = DEFAULT_HOST) -> str:
    """Write the URI of a MaestroQA dataset; see :func:`maestroqa_asset`.

    :param dataset: the dataset.
    :param host: host of the connection.
    :raises ValueError: there is no such dataset, or the host is none.
    """
    address = (host or DEFAULT_HOST).strip()
    parts = urlsplit(address if "://" in address else f"https://{address}")
    path = f"/{str(dataset).strip('/')}"
    return urlunsplit(sanitize_uri(SplitResult(SCHEME, parts.netloc, path, parts.query, "")))


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check a URI and bring it to its one form. Airflow calls this for each asset with the scheme.

    :param uri: the parts of the URI.
    :raises ValueError: it names no host or no known dataset, or holds a user, a password or a query.
    """
    if "@" in uri.netloc:
        raise ValueError(
            f"A {SCHEME}:// URI must hold no user, password or token: assets are stored and shown. Write it like "
            f"{_EXAMPLE}."
        )
    if uri.query:
        raise ValueError(f"A {SCHEME}:// URI must have no query. Write it like {_EXAMPLE}.")
    return SplitResult(SCHEME, _host(uri), f"/{_dataset(uri.path)}", "", "")


def dataset_of(resource: str) -> str:
    """The dataset in which the records of a resource are: ``ticket_metrics`` are in ``ticket-metrics``.

    :param resource: what an operator or the hook calls it.
    """
    return resource.removesuffix("_export").replace("_", "-")


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> Any:  # noqa: ARG001 - Airflow gives it
    """Translate an asset to OpenLineage's dataset. Only called where OpenLineage is installed.

    :param asset: an asset with a ``maestroqa://`` URI.
    :param lineage_context: the hook that reported it.
    """
    from openlineage.client.event_v2 import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{parts.netloc}", name=parts.path.lstrip("/"))


def landing_event_extra(manifest: Mapping[str, Any], window: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Describe a landing for the event of an asset.

    :param manifest: what has landed.
    :param window: the window that was passed to the task, where the manifest has none.
    :return: ``window``, ``has_data``, ``files``, ``bytes``, ``rows`` (``None`` when they were not counted),
        ``manifest``, and ``export_id`` or ``resource``.
    """
    files = manifest["files"]
    rows = [file["rows"] for file in files if "rows" in file]
    subject = "export_id" if "export_id" in manifest else "resource"
    return {
        subject: manifest[subject],
        "window": manifest.get("window") or (dict(window) if window else None),
        "has_data": manifest["has_data"],
        "files": len(files),
        "bytes": sum(file["bytes"] for file in files),
        "rows": sum(rows) if rows or not files else None,
        "manifest": manifest["manifest"],
    }


def push_event_extra(report: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a push for the event of an asset.

    :param report: the report of the push.
    :return: the report's counts of records, without the number of requests and the time spent waiting.
    """
    return {name: value for name, value in report.items() if name not in ("requests", "waited_s")}


def _host(uri: SplitResult) -> str:
    try:
        name, port = uri.hostname or "", uri.port
    except ValueError:
        name, port = "", None
    if not name or not re.fullmatch(r"[a-z0-9_.:-]+", name):
        raise ValueError(f"A {SCHEME}:// URI must name the host of the connection, as in {_EXAMPLE}.")
    if port in (None, 443):
        name = account_host(name)
    address = f"[{name}]" if ":" in name else name
    return address if port in (None, 443) else f"{address}:{port}"


def _dataset(path: str) -> str:
    parts = path.strip("/").split("/")
    for length in (2, 1):
        known = "/".join(parts[:length]).lower().replace("_", "-")
        if known in DATASETS and len(parts) >= length:
            labels = parts[length:]
            break
    else:
        raise ValueError(
            f"{path.strip('/')!r} is not a dataset of MaestroQA. Use one of {', '.join(DATASETS)}; labels of your "
            f"own may follow, as in exports/raw/europe."
        )
    if known == "exports" and labels:
        types = ", ".join(kind.dataset for kind in EXPORT_KINDS.values())
        raise ValueError(f"{path.strip('/')!r} is no type of export. Use one of {types}.")
    if not all(_LABEL.fullmatch(label) and label.strip(".") for label in labels):
        raise ValueError(
            f"{path.strip('/')!r} has a label that is empty or has other characters than letters, digits, hyphens, "
            "dots, tildes and underscores."
        )
    return "/".join([known, *labels])
