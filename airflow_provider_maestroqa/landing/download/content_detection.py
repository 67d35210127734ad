"""What a downloaded body is: an archive, a CSV file, or an error page in place of one."""

from __future__ import annotations

import json
import re

from airflow_provider_maestroqa.client.errors import MaestroQADataError

#: First bytes of a body that are enough to detect what it is.
HEAD_SIZE = 4096

_ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06")
_SPANNED = (b"PK\x07\x08", b"PK00")
_MARKUP = re.compile(rb"\s*<\s*(!|\?|/?[a-zA-Z][\w:.-]*[\s/>])")
_COMPRESSIONS = {"br", "zstd", "compress", "x-compress", "deflate", "bzip2", "xz", "dcb", "dcz"}
_S3_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")


def is_archive(head: bytes) -> bool:
    """Whether a body that begins like this is a ZIP archive."""
    return head.startswith(_ARCHIVE)


def reject_error_page(head: bytes, content_type: str, *, is_whole: bool) -> None:
    """Raise ``MaestroQADataError`` when a body with status 200 is no export at all.

    The message names what arrived without quoting it: an error page may repeat the signed address.

    :param head: the first bytes.
    :param content_type: as the server sent it; may be empty.
    :param is_whole: whether ``head`` is the whole body.
    """
    if is_archive(head):
        return
    media_type = content_type.partition(";")[0].strip().lower()
    text = head.removeprefix(b"\xef\xbb\xbf")
    what = ""
    if is_whole and not head:
        what = "an empty file"
    elif _MARKUP.match(text) or media_type in {"text/html", "application/xhtml+xml", "text/xml", "application/xml"}:
        is_html = "html" in media_type or b"<html" in text[:HEAD_SIZE].lower()
        code = _S3_CODE.search(text)
        what = "an HTML page" if is_html else "an XML document"
        what += f" with the error code {code.group(1).decode()}" if code else ""
    elif media_type in {"application/json", "application/problem+json"} or (is_whole and _is_json_object(text)):
        what = "a JSON document"
    elif head.startswith(_SPANNED):
        raise MaestroQADataError(
            "The storage sent one piece of a ZIP archive that spans several files; that cannot be read."
        )
    if what:
        raise MaestroQADataError(
            f"The storage sent {what} in place of the export's ZIP or CSV file. A proxy or a login page on the way "
            f"can cause this; check from the worker that the storage host can be reached.",
            retryable=True,
        )


def is_gzip(head: bytes) -> bool:
    """Whether a body that begins like this is a gzip file, as which a storage may hold a CSV file."""
    return head.startswith(b"\x1f\x8b")


def reject_encoded(content_encoding: str) -> None:
    """Raise ``MaestroQADataError`` for a CSV file in a compression that is not read here.

    Uploads may label a file with anything: the name of a character set, or ``gzip`` where gzip's first bytes are
    missing, says nothing about its bytes.

    :param content_encoding: the header's value; may be empty.
    """
    encodings = {part.strip().lower() for part in content_encoding.split(",")} & _COMPRESSIONS
    if encodings:
        raise MaestroQADataError(
            f"The export is encoded as {', '.join(sorted(encodings))}, and only gzip can be read. Either it is "
            f"stored like this, or a proxy between the worker and the storage encoded it.",
            retryable=True,
        )


def _is_json_object(text: bytes) -> bool:
    if not text.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
