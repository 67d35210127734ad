"""The checksums that a storage sends with a file."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping

from airflow_provider_maestroqa.client.errors import MaestroQADataError

_DIGITS = {"sha256": 64, "md5": 32}
_MD5_ETAG = re.compile(r'\A"([0-9a-f]{32})"\Z', re.IGNORECASE)
_GOOGLE_MD5 = re.compile(r"(?:^|,)\s*md5=([^,\s]+)")
_SHA256_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:?([A-Za-z0-9+/=]+?):?\s*(?:,|$)", re.IGNORECASE)


def find_checksum(headers: Mapping[str, str], url: str) -> tuple[str, str] | None:
    """The checksum of a whole file, as the headers of its response have it.

    :param headers: their names are looked up regardless of case.
    :param url: where it came from.
    :return: the algorithm by hashlib's name, and the digits in hexadecimal; ``None`` where there is none.
    """
    if headers.get("Content-Range"):
        # Some of them could be those of the part.
        return None
    google = headers.get("x-goog-hash") if _is_sent_as_stored(headers) else None
    candidates = (
        ("sha256", _from_base64(headers.get("x-amz-checksum-sha256"))),
        ("sha256", _from_base64(_find(_SHA256_DIGEST, headers.get("Repr-Digest") or headers.get("Digest")))),
        ("md5", _from_base64(_find(_GOOGLE_MD5, google))),
        ("md5", _from_base64(headers.get("Content-MD5"))),
        ("md5", _find(_MD5_ETAG, headers.get("ETag")) if _has_md5_as_etag(headers, url) else None),
    )
    return next(((name, digits) for name, digits in candidates if digits and len(digits) == _DIGITS[name]), None)


def verify_checksum(blocks: Iterable[bytes], expected: tuple[str, str]) -> None:
    """Raise ``MaestroQADataError`` when a file is not the one that the storage holds.

    :param expected: what :func:`find_checksum` found.
    """
    name, digits = expected
    digest = hashlib.new(name, usedforsecurity=False)
    for block in blocks:
        digest.update(block)
    if digest.hexdigest() != digits.lower():
        raise MaestroQADataError(
            f"The export's file is damaged: its {name.upper()} is not the one that the storage sent with it. Nothing "
            f"was published; a retry downloads it again. If it fails every time, check the proxy between the worker "
            f"and the storage.",
            retryable=True,
        )


def _has_md5_as_etag(headers: Mapping[str, str], url: str) -> bool:
    """S3's ETag is the MD5 of an object stored in one part, unless it is encrypted with keys of KMS or the customer.

    The ETag of an object in several parts has a hyphen; that of a directory bucket is random.
    """
    is_s3 = "X-Amz-Signature=" in url or "AWSAccessKeyId=" in url or headers.get("x-amz-request-id") is not None
    return (
        is_s3
        and not headers.get("x-amz-server-side-encryption", "").startswith("aws:")
        and headers.get("x-amz-server-side-encryption-customer-algorithm") is None
        and headers.get("x-amz-storage-class") != "EXPRESS_ONEZONE"
    )


def _is_sent_as_stored(headers: Mapping[str, str]) -> bool:
    """Google's checksum is that of the stored bytes, and a file stored as gzip may be sent unpacked."""
    return headers.get("x-goog-stored-content-encoding", "identity") in {
        "identity",
        headers.get("Content-Encoding", "identity"),
    }


def _find(pattern: re.Pattern[str], text: str | None) -> str | None:
    match = pattern.search(text) if text else None
    return match.group(1) if match else None


def _from_base64(text: str | None) -> str | None:
    try:
        return base64.b64decode(text, validate=True).hex() if text else None
    except ValueError:
        return None
