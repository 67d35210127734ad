from __future__ import annotations

import base64
import html
from urllib.parse import quote

import pytest

from airflow_provider_maestroqa.client.presigned import host_of
from airflow_provider_maestroqa.client.server_text import clean_text, error_text

TOKEN = "Zk3+/9d&W<q7RtYp'0sVbN5m"
SHORT = "hunter2"


@pytest.mark.parametrize(
    "echo",
    [
        str,
        str.upper,
        str.lower,
        lambda token: quote(token, safe=""),
        lambda token: quote(token, safe="").lower(),
        lambda token: quote(quote(token, safe=""), safe=""),
        lambda token: "".join(f"%{ord(char):02X}" for char in token),
        html.escape,
        lambda token: "".join(f"&#{ord(char)};" for char in token),
        lambda token: token.encode().hex(),
        lambda token: token.encode().hex().upper(),
        lambda token: base64.b64encode(token.encode()).decode(),
        lambda token: base64.urlsafe_b64encode(f"x:{token}".encode()).decode(),
        lambda token: base64.b64encode(f"user:{token}:y".encode()).decode(),
        lambda token: token[: len(token) // 2],
        lambda token: token[len(token) // 2 :],
        lambda token: f"{token[:12]} {token[12:]}",
    ],
)
def test_an_echoed_secret_is_masked_in_every_form(echo):
    echoed = echo(TOKEN)
    text = clean_text(f"before {echoed} after", secrets=(SHORT, TOKEN))
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert "***" in text
    assert not [echoed[at : at + 12] for at in range(len(echoed) - 11) if echoed[at : at + 12] in text]


def test_other_text_stays_as_it_is():
    text = "The field ticket_id is missing. Ünïcode İ too"
    assert clean_text(text, secrets=(TOKEN, SHORT)) == text
    assert clean_text("user hunter2 and huntsman", secrets=(SHORT,)) == "user *** and huntsman"


def test_a_text_cannot_forge_lines_of_a_log_nor_fill_it():
    text = clean_text("done\n[2026-01-01] ERROR \x1b[31mforged\u2028\u202e\x00\x85" + "x" * 5_000_000)
    assert text.startswith("done [2026-01-01] ERROR [31mforged x")
    assert text.isprintable()
    assert len(text) == 500


@pytest.mark.parametrize("content", [None, 3, "text", [], {}, {"error": None}, {"data": []}, {"errors": [[], {}]}])
def test_what_says_nothing_is_no_message(content):
    assert error_text(content) == ""


def test_the_host_of_an_address_is_a_text_of_a_server_too():
    assert host_of("https://storage.example.com:8443/x?X-Amz-Signature=5ec7e7") == "storage.example.com"
    host = host_of("https://h\x1b31m\u2028error\u202e" + "x" * 5_000 + "/x?X-Amz-Signature=5ec7e7")
    assert host.startswith("h 31m error xxx")
    assert host.isprintable()
    assert len(host) == 253
