"""Keeps what belongs to an account out of what is shown of it: ids, names, emails, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

#: What stands for a value of the account.
PLACEHOLDER = "[value]"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
#: URLs, emails, IP addresses, quoted texts, and words with a digit that are as long as an id.
_VALUES = re.compile(
    r"""https?://\S+|[^\s@'"]+@[^\s@'"]+|\b\d{1,3}(?:\.\d{1,3}){3}\b|'[^']*'|"[^"]*"|[\w-]*\d[\w-]{7,}"""
)
_MIN_LENGTH = 4
_MAX_SHOWN = 160
#: Values of records that are words of the API and not of the account.
_API_WORDS = re.compile(r"[a-z_]{1,20}|[a-z]+[A-Z][A-Za-z]{1,20}")


class Redactor:
    """Replaces in texts what responses have shown of the account."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def learn(self, content: Any) -> None:
        """Remember the texts in a response."""
        if isinstance(content, dict):
            for value in content.values():
                self.learn(value)
        elif isinstance(content, list):
            for value in content:
                self.learn(value)
        elif isinstance(content, str) and len(content) >= _MIN_LENGTH and not _API_WORDS.fullmatch(content):
            self._values.add(content)

    def redact(self, text: str) -> str:
        """Return a text without values of the account, and not too long for a table."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, PLACEHOLDER)
        text = _VALUES.sub(PLACEHOLDER, text)
        return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"


def shown_names(names: Iterable[object]) -> str:
    """Names of fields or columns; what does not look like a name is replaced."""
    return (
        ", ".join(name if isinstance(name, str) and _NAME.fullmatch(name) else PLACEHOLDER for name in names)
        or "none"
    )
