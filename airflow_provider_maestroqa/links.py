"""The links of a task in Airflow's UI: to MaestroQA, and to the files that a task has landed.

Airflow 3 builds a link on the worker when a try ends, and stores it; Airflow 2 builds it in the webserver whenever a
user opens the page. Both read only what Airflow itself has stored: no link sends a request to MaestroQA or a storage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa._compat import BaseOperatorLink
from airflow_provider_maestroqa.storage.urls import GCS, S3, parse_url

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import BaseOperator

#: Addresses that a browser would run instead of opening.
_CODE = ("javascript", "data", "vbscript")
_AWS_DOMAINS = {"cn-": "amazonaws.cn", "us-gov-": "amazonaws-us-gov.com"}


class MaestroQALink(BaseOperatorLink):
    """Links to MaestroQA: the base URL of the task's connection, without anything secret."""

    name = "MaestroQA"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The base URL; MaestroQA's own where there is no connection, and empty where its host is invalid."""
        with suppress(Exception):
            return _dashboard(_field(operator, ti_key, "maestroqa_conn_id") or "maestroqa_default")
        return ""


class LandedFilesLink(BaseOperatorLink):
    """Links to the files that the task has landed: the storage's page, else the plain address."""

    name = "Landed files"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The page of the destination in the task's manifest; empty where nothing has landed."""
        with suppress(Exception):
            manifest = _compat.XCom.get_value(ti_key=ti_key, key="return_value")
            return landed_page(
                str(manifest["destination"]), aws_extra=lambda: _aws_extra(_aws_conn_id(operator, ti_key))
            )
        return ""


def landed_page(destination: str, *, aws_extra: Callable[[], Mapping[str, Any]] = dict) -> str:
    """Find the web page that lists the objects of a folder.

    :param destination: address of the folder, as in a manifest: ``s3://bucket/prefix``.
    :param aws_extra: returns the extra of the AWS connection; called for S3 alone.
    :return: the console of S3 or of Google Cloud Storage; the list of its objects for an S3 with an endpoint of its
        own; the plain address, without user and password, for any other.
    """
    if "://" not in destination:
        return ""
    url = parse_url(destination)
    if url.storage == S3:
        return _s3_page(url.bucket, url.key, aws_extra())
    if url.storage == GCS:
        return f"https://console.cloud.google.com/storage/browser/{quote(f'{url.bucket}/{url.key}')}"
    if url.scheme in _CODE or not re.fullmatch(r"[a-z][a-z0-9+.-]*", url.scheme):
        return ""
    return f"{url.scheme}://{url.bucket}/{url.key}"


def _s3_page(bucket: str, prefix: str, extra: Mapping[str, Any]) -> str:
    region = str(extra.get("region_name") or "")
    folder = {"prefix": f"{prefix}/" if prefix else ""}
    endpoint = _own_endpoint(extra)
    if endpoint:
        return f"{endpoint}/{quote(bucket)}?{urlencode({'list-type': '2', **folder})}"
    domain = next((name for start, name in _AWS_DOMAINS.items() if region.startswith(start)), "aws.amazon.com")
    query = {**({"region": region} if region else {}), **folder}
    return f"https://console.{domain}/s3/buckets/{quote(bucket)}?{urlencode(query)}"


def _own_endpoint(extra: Mapping[str, Any]) -> str:
    """The endpoint of an S3 that is not Amazon's; empty for Amazon's, which has the console."""
    services = extra.get("service_config")
    service = services.get("s3") if isinstance(services, Mapping) else None
    url = (service.get("endpoint_url") if isinstance(service, Mapping) else None) or extra.get("endpoint_url")
    parts = urlsplit(str(url or ""))
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def _dashboard(conn_id: str) -> str:
    from airflow_provider_maestroqa.client.connection_fields import CONFIG_SECTION
    from airflow_provider_maestroqa.client.settings import read_settings

    connection = None
    with suppress(Exception):
        connection = _compat.BaseHook.get_connection(conn_id)
    settings = read_settings(
        conn_id,
        host=getattr(connection, "host", None),
        schema=getattr(connection, "schema", None),
        port=getattr(connection, "port", None),
        password="unknown",  # noqa: S106 - only the address is needed, validated as a task would
        extra={"allow_http": True},
        defaults=_compat.config_values(CONFIG_SECTION, ["host"]),
    )
    return settings.base_url


def _aws_conn_id(operator: BaseOperator, ti_key: Any) -> str | None:
    """The connection that a landing in S3 used; ``None`` for boto3's own chain."""
    if "aws_conn_id" in operator.template_fields:
        return _field(operator, ti_key, "aws_conn_id")
    url = parse_url(_field(operator, ti_key, "destination") or "://")
    return _field(operator, ti_key, "storage_conn_id") or url.conn_id or "aws_default"


def _aws_extra(conn_id: str | None) -> Mapping[str, Any]:
    with suppress(Exception):
        extra = _compat.BaseHook.get_connection(conn_id).extra_dejson if conn_id else {}
        return extra if isinstance(extra, Mapping) else {}
    return {}


def _field(operator: BaseOperator, ti_key: Any, name: str) -> str | None:
    """The value of a template field in a run."""
    value = _compat.rendered_fields(ti_key).get(name, getattr(operator, name, None))
    return value if isinstance(value, str) else None
