"""The host that exports are downloaded from: whether it sends parts, and the checksum it sends with a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_maestroqa.landing.download.checksums import find_checksum

if TYPE_CHECKING:
    import requests

_TIMEOUT_S = 60
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Download:
    """What came back for a part of a file, and for the whole.

    :param part_status: the HTTP status of the part, which is its first byte.
    :param part_range: its header Content-Range.
    :param etag: the header ETag of the whole.
    :param checksum: the algorithm and the digits that the storage sent with it, as a landing reads them.
    :param digests: of what was downloaded, by algorithm.
    """

    part_status: int
    part_range: str
    etag: str
    checksum: tuple[str, str] | None
    digests: Mapping[str, str] = field(repr=False)


def look_at_storage(session: requests.Session, url: str) -> Download | None:
    """Download the first byte of a file, and all of it; ``None`` when it cannot be downloaded."""
    try:
        part = session.get(
            url, headers={"Range": "bytes=0-0"}, timeout=_TIMEOUT_S, allow_redirects=False, stream=True
        )
        part.close()
        digests = {name: hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha256")}
        with session.get(
            url, headers={"Accept-Encoding": "identity"}, timeout=_TIMEOUT_S, allow_redirects=False, stream=True
        ) as whole:
            if whole.status_code != 200:
                return None
            for block in whole.iter_content(_BLOCK):
                for digest in digests.values():
                    digest.update(block)
    except OSError:
        # The errors of requests are of this class.
        return None
    return Download(
        part.status_code,
        part.headers.get("Content-Range", ""),
        whole.headers.get("ETag", ""),
        find_checksum(whole.headers, url),
        {name: digest.hexdigest() for name, digest in digests.items()},
    )
