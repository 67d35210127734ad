"""The judge of what a reader of landed files sees, for the random histories and for the soak."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any


def read_landed(get_bytes: Callable[[str], bytes | None]) -> tuple[dict[str, Any], list[str]]:
    """The manifest that a reader sees, and what is not as it says.

    :param get_bytes: reads a file by its name below the destination; ``None`` when it is not there.
    """
    manifest = json.loads(get_bytes("_manifest.json") or b"{}")
    wrong = []
    for file in manifest.get("files", ()):
        data = get_bytes(file["name"])
        if data is None:
            wrong.append(f"{file['name']} is missing")
        elif hashlib.sha256(data).hexdigest() != file["sha256"]:
            wrong.append(f"{file['name']} has other bytes")
    return manifest, wrong
