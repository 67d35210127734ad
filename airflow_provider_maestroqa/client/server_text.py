"""Texts that a server wrote, made fit for logs, errors and databases: short, printable, without secrets."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from airflow_provider_maestroqa.client.parsing import number_as_text

MAX_LENGTH = 500
#: Ids become parts of paths, file names and log lines, so only what is safe there is one.
SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:~=@+-]{0,199}")
#: More than this is not looked at: it is cut off long before.
_MAX_READ = 20_000
_MASK = "***"
#: A piece of a secret of this length, or half of a shorter one, is masked.
_PIECE = 12
_MIN_PIECE = 6
#: Where an error's body may say what is wrong, in the order in which it is told.
_KEYS = (
    *("field", "param", "path"),
    *("title", "error", "message", "detail", "reason", "description", "errors"),
)
_MAX_ITEMS = 10
_PHRASES = frozenset(status.phrase.lower() for status in HTTPStatus)


def clean_text(text: str, *, secrets: Sequence[str] = (), max_length: int = MAX_LENGTH) -> str:
    """Make a server's text fit to be shown: one line of printable characters, cut, and without any secret.

    :param secrets: what a server may echo; it is found in other forms and in pieces, too.
    """
    text = mask_echoes(text[:_MAX_READ], secrets)
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def read_id(value: object) -> str | None:
    """Read an id that a server assigned; ``None`` for what is none, or is not safe."""
    text = number_as_text(value)
    return text if isinstance(text, str) and SAFE_ID.fullmatch(text) else None


def error_text(content: Any) -> str:
    """Find what the decoded body of an error says is wrong.

    Understood are ``{"error": …}`` and ``{"message": …}``, lists of errors, problem details (RFC 9457), and bodies
    that give the phrase of the status beside their message. Others say nothing.
    """
    return "; ".join(_parts(content)) if isinstance(content, (Mapping, list)) else ""


def _parts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content] if content.strip() else []
    if isinstance(content, list):
        return [part for item in content[:_MAX_ITEMS] for part in _parts(item)]
    if not isinstance(content, Mapping):
        return [] if content is None or isinstance(content, bool) else [json.dumps(content)]
    known = ["; ".join(_parts(content[key])) for key in _KEYS if key in content]
    # The path of the request says nothing new.
    texts = list(dict.fromkeys(text for text in known if text and not text.startswith("/")))
    specific = [text for text in texts if text.lower() not in _PHRASES]
    if not texts and content and not set(_KEYS) & set(content):
        # Such as errors by their fields.
        fields = [*content.items()][:_MAX_ITEMS]
        return [f"{field}: {', '.join(messages)}" for field, value in fields if (messages := _parts(value))]
    return [": ".join(specific or texts)] if texts else []


def mask_echoes(text: str, secrets: Sequence[str]) -> str:
    """Mask secrets in a text: in any case, as a URL, HTML, base64 or hexadecimal digits, and pieces of these."""
    pieces = _pieces(tuple(secrets))
    if not pieces or not text:
        return text
    # Letter by letter, so that places stay: some letters are several in lower case.
    lower = text.lower() if text.isascii() else "".join(char.lower()[0] for char in text)
    covered = bytearray(len(text))
    for length, known in pieces.items():
        for start in range(len(lower) - length + 1):
            if lower[start : start + length] in known:
                covered[start : start + length] = b"\1" * length
    return "".join(_masked(text, covered))


def _masked(text: str, covered: bytearray) -> Iterator[str]:
    start = 0
    while start < len(text):
        state = covered[start]
        end = covered.find(1 - state, start)
        end = len(text) if end < 0 else end
        yield _MASK if state else text[start:end]
        start = end


@lru_cache(maxsize=8)
def _pieces(secrets: tuple[str, ...]) -> Mapping[int, frozenset[str]]:
    """The pieces that are masked, by their length."""
    pieces: dict[int, set[str]] = {}
    for secret in filter(None, secrets):
        size = min(len(secret), max(_MIN_PIECE, min(_PIECE, len(secret) // 2)))
        for form in _forms(secret):
            # As much of a longer form as stands for the same piece of the secret.
            length = max(size * len(form) // len(secret), min(size, len(form)))
            pieces.setdefault(length, set()).update(form[at : at + length] for at in range(len(form) - length + 1))
    return {length: frozenset(known) for length, known in pieces.items()}


def _forms(secret: str) -> set[str]:
    data = secret.encode()
    forms = {
        secret,
        quote(secret, safe=""),
        quote(quote(secret, safe=""), safe=""),
        "".join(f"%{byte:02x}" for byte in data),
        html.escape(secret),
        "".join(f"&#{ord(char)};" for char in secret),
        "".join(f"&#x{ord(char):x};" for char in secret),
        json.dumps(secret)[1:-1],
        data.hex(),
        data.hex(" "),
        data.hex(":"),
    }
    for offset in range(3):
        # Without the characters that hold bits of what stands around it.
        encoded = base64.b64encode(bytes(offset) + data).decode().rstrip("=")
        middle = encoded[-(-offset * 8 // 6) : len(encoded) - bool((offset + len(data)) % 3)]
        forms |= {middle, middle.replace("+", "-").replace("/", "_")}
    return {form.lower() for form in forms if form}
