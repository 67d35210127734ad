"""Downloads: parts of files, and the checksums that come with them."""

from __future__ import annotations

import re

from airflow_provider_maestroqa.check.account import CheckedAccount
from airflow_provider_maestroqa.check.finding import Finding, as_read, not_seen, otherwise, told
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.sample_exports import sample_exports
from airflow_provider_maestroqa.check.storage_host import Download

_ETAG_OF_PARTS = re.compile(r'"[0-9a-f]{32}-\d+"')
_FIRST_BYTE = re.compile(r"bytes 0-0/\d+")


def _download(account: CheckedAccount) -> Download | Finding:
    export = sample_exports(account)["groups"]
    return account.download or not_seen(export.problem or "the groups export could not be downloaded once more")


def _range(account: CheckedAccount) -> Finding:
    download = _download(account)
    if isinstance(download, Finding):
        return download
    has_range = _FIRST_BYTE.fullmatch(download.part_range) is not None
    seen = f"{download.part_status} for the first byte, {'with' if has_range else 'without'} the size of the whole"
    is_whole = {"no_ranges": True} if download.part_status == 200 else {}
    return told(download.part_status == 206 and has_range, seen, **is_whole)


def _checksum(account: CheckedAccount) -> Finding:
    download = _download(account)
    if isinstance(download, Finding):
        return download
    if download.checksum is None:
        if not download.etag:
            return otherwise("no ETag, and no other checksum", storage_etag="none")
        of_parts = " of a file in several parts" if _ETAG_OF_PARTS.fullmatch(download.etag) else ""
        return otherwise(f"an ETag{of_parts} that is no MD5, and no other checksum", storage_etag="other")
    name, digits = download.checksum
    if download.digests[name] != digits.lower():
        return otherwise(f"a checksum ({name.upper()}) that is not that of the file", storage_etag="other")
    return as_read(f"the {name.upper()} of the file", storage_etag="md5")


PROBES = (
    Probe(
        "download_range",
        "A part of an export's file can be downloaded, and comes with the size of the whole.",
        "A download that breaks off begins anew. Large exports need a steady connection.",
        _range,
    ),
    Probe(
        "download_checksum",
        "The storage sends a checksum with an export's file: an ETag that is its MD5, or another one.",
        "Nothing to do: an archive is checked by the checksums in it, a bare CSV by its length alone.",
        _checksum,
    ),
)
