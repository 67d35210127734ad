from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client.budget import DEFAULT_LIMITS
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.settings import read_settings


def read(**fields):
    return read_settings("c", **{"password": "token", **fields})


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({}, "https://app.maestroqa.com"),
        ({"host": "https://app.maestroqa.com/"}, "https://app.maestroqa.com"),
        ({"host": "app.maestroqa.com"}, "https://app.maestroqa.com"),
        ({"host": "eu.maestroqa.com", "port": 8443}, "https://eu.maestroqa.com:8443"),
        ({"host": "https://app.maestroqa.com/api/v1"}, "https://app.maestroqa.com"),
        ({"host": "http://127.0.0.1:8765"}, "http://127.0.0.1:8765"),
        ({"host": "localhost", "schema": "http", "port": 8765}, "http://localhost:8765"),
        ({"host": "http://[::1]:8765"}, "http://[::1]:8765"),
        ({"host": "http://inner.example", "extra": {"allow_http": "true"}}, "http://inner.example"),
    ],
)
def test_a_host_becomes_a_base_url(fields, base_url):
    assert read(**fields).base_url == base_url


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"password": ""}, "the password is empty"),
        ({"password": None}, "the password is empty"),
        ({"password": "to\nken"}, "the password holds characters"),
        ({"password": "tok en"}, "the password holds characters"),
        ({"host": "http://app.maestroqa.com"}, "would send the token in the clear"),
        ({"host": "http://127.0.0.1.example.com"}, "would send the token in the clear"),
        ({"host": "ftp://app.maestroqa.com"}, "no https address"),
        ({"host": "https://user:pw@app.maestroqa.com"}, "no user"),
        ({"host": "https://app.maestroqa.com/other"}, "no path"),
        ({"host": "https://app.maestroqa.com:port"}, "no https address"),
        ({"extra": {"timeout": "soon"}}, "extra timeout"),
        ({"extra": {"timeout": 0}}, "extra timeout"),
        ({"extra": {"verify": 3}}, "extra verify"),
        ({"extra": {"proxies": "{"}}, "extra proxies"),
        ({"extra": {"proxies": [1]}}, "extra proxies"),
        ({"extra": {"allow_http": "maybe"}}, "extra allow_http"),
        ({"extra": {"rate_limit_store": 5}}, "extra rate_limit_store"),
        ({"extra": {"rate_limits": "{"}}, "extra rate_limits"),
        ({"extra": {"rate_limits": {"soft": [[1, 1]]}}}, "extra rate_limits"),
        ({"extra": {"rate_limits": {"normal": []}}}, "extra rate_limits"),
        ({"extra": {"rate_limits": {"normal": [[0, 1]]}}}, "extra rate_limits"),
        ({"extra": {"rate_limits": {"normal": [[1.5, 1]]}}}, "extra rate_limits"),
        ({"extra": {"rate_limits": {"normal": [["10", 1]]}}}, "extra rate_limits"),
    ],
)
def test_a_field_that_cannot_work_is_named(fields, named):
    with pytest.raises(MaestroQAConfigError, match=f"Connection 'c'.*{named}"):
        read(**fields)


def test_no_error_repeats_a_password():
    with pytest.raises(MaestroQAConfigError) as caught:
        read(host="https://user:hunter2@app.maestroqa.com")
    assert "hunter2" not in str(caught.value)


def test_values_from_a_form_or_a_uri_are_text_and_understood():
    settings = read(
        extra={
            "timeout": "30",
            "verify": "false",
            "proxies": "http://proxy:3128",
            "rate_limits": '{"normal": [[5, 1]]}',
            "rate_limit_store": "",
            "extra__maestroqa__allow_http": "False",
        }
    )
    assert settings.timeout_s == 30.0
    assert settings.verify is False
    assert settings.proxies == {"http": "http://proxy:3128", "https": "http://proxy:3128"}
    assert settings.limits == {"normal": ((5, 1.0),), "hard": DEFAULT_LIMITS["hard"]}
    assert settings.rate_limit_store is None
    assert settings.ignored == ()


def test_a_ca_bundle_and_unknown_keys_are_kept_apart():
    settings = read(extra={"verify": "/etc/ssl/ours.pem", "rate_limit": 5})
    assert settings.verify == "/etc/ssl/ours.pem"
    assert settings.ignored == ("rate_limit",)


def test_no_secret_is_in_the_repr():
    text = repr(
        read(extra={"rate_limit_store": "redis://:hunter2@r/0", "proxies": "http://u:hunter3@p:1"}, password="s3cret")
    )
    assert "s3cret" not in text
    assert "hunter" not in text
