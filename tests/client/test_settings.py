from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client.budget import DEFAULT_LIMITS
from airflow_provider_maestroqa.client.connection_fields import EXTRA_FIELDS
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.hosts import DEFAULT_HOST
from airflow_provider_maestroqa.client.settings import FORM_MASK, PARSERS, Settings, read_settings


def read(**fields):
    return read_settings("c", **{"password": "token", **fields})


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({}, "https://app.maestroqa.com"),
        ({"host": "https://app.maestroqa.com/"}, "https://app.maestroqa.com"),
        ({"host": "app.maestroqa.com"}, "https://app.maestroqa.com"),
        ({"host": "app.rippit.com"}, "https://app.rippit.com"),
        ({"host": "eu.maestroqa.com", "port": 8443}, "https://eu.maestroqa.com:8443"),
        ({"host": "https://app.maestroqa.com/api/v1"}, "https://app.maestroqa.com"),
        ({"host": "http://127.0.0.1:8765"}, "http://127.0.0.1:8765"),
        ({"host": "localhost", "schema": "http", "port": 8765}, "http://localhost:8765"),
        ({"host": "http://[::1]:8765"}, "http://[::1]:8765"),
        ({"host": "http://inner.example", "extra": {"allow_http": "true"}}, "http://inner.example"),
        ({"host": " HTTPS://App.MaestroQA.com "}, "https://app.maestroqa.com"),
        ({"host": "localhost", "schema": " HTTP ", "port": "8765"}, "http://localhost:8765"),
        ({"host": "https://app.maestroqa.com", "schema": "api/v1"}, "https://app.maestroqa.com"),
        ({"host": "", "schema": "", "port": ""}, "https://app.maestroqa.com"),
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
        ({"password": "", "login": "token"}, "the password is empty.*There is a login.*after a colon"),
        ({"host": "https://[::1"}, "no https address"),
        ({"host": "https://app maestroqa.com"}, "no https address"),
        ({"host": "https://"}, "no https address"),
        ({"host": "app.maestroqa.com", "schema": "api"}, "the schema 'api' is neither https nor http"),
        ({"port": "many"}, "the port must be"),
        ({"port": 70000}, "the port must be"),
        ({"port": -1}, "the port must be"),
        ({"extra": "{"}, "the extra is no JSON"),
        ({"extra": "[1]"}, "the extra must be a JSON object"),
        ({"extra": {"proxies": "socks5://proxy:1080"}}, "extra proxies must be URLs of http or https"),
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
    assert settings.unknown_keys == ()


def test_the_defaults_of_the_fields_are_those_of_the_settings():
    assert read() == Settings(DEFAULT_HOST, "token")
    assert read(extra={field.name: field.default for field in EXTRA_FIELDS}) == read()
    assert {field.parser for field in EXTRA_FIELDS} == set(PARSERS)


EMPTY = [None, "", "  ", [], {}]
NOTHING = [dict.fromkeys([field.name for field in EXTRA_FIELDS], nothing) for nothing in EMPTY]
NOTHING += [None, "", " ", "{}", "null", {}, {"rate_limit_store": FORM_MASK, "proxies": FORM_MASK}]
NOTHING += [{"rate_limits": " null "}]


@pytest.mark.parametrize("extra", NOTHING, ids=str)
def test_what_forms_leave_empty_means_the_defaults(extra):
    assert read(extra=extra) == read()


def test_a_key_without_the_old_prefix_stands_before_one_with_it():
    both = {"timeout": "30", "extra__maestroqa__timeout": "60", "extra__maestroqa__verify": "false"}
    for extra in (both, dict(reversed(both.items())), {**both, "verify": ""}):
        settings = read(extra=extra)
        assert (settings.timeout_s, settings.verify, settings.unknown_keys) == (30.0, False, ())


def test_objects_are_understood_as_the_form_of_airflow_2_shows_them():
    settings = read(extra={"rate_limits": "{'normal': [[5, 1]]}", "proxies": "{'https': 'http://proxy:3128'}"})
    assert settings.limits["normal"] == ((5, 1.0),)
    assert settings.proxies == {"https": "http://proxy:3128"}


def test_the_extra_may_be_the_text_that_is_stored():
    assert read(extra='{"timeout": 120, "verify": false}') == read(extra={"timeout": 120, "verify": False})


@pytest.mark.parametrize(
    ("written", "meant"), [("y", True), ("Yes", True), ("on", True), ("n", False), ("OFF", False), (" True ", True)]
)
def test_boxes_and_yaml_have_words_of_their_own_for_true_and_false(written, meant):
    assert read(extra={"verify": written}).verify is meant
    host = {"host": "http://inner.example", "extra": {"allow_http": written}}
    if meant:
        assert read(**host).base_url == "http://inner.example"
    else:
        with pytest.raises(MaestroQAConfigError, match="in the clear"):
            read(**host)


def test_a_proxy_without_a_scheme_is_an_http_proxy_for_both_drivers():
    assert read(extra={"proxies": "proxy:3128"}).proxies["https"] == "http://proxy:3128"
    named = {"https": " proxy:3128", "no_proxy": "localhost,10.0.0.0/8"}
    assert read(extra={"proxies": named}).proxies == {**named, "https": "http://proxy:3128"}


def test_what_no_log_may_show_is_known():
    extra = {"rate_limit_store": "redis://:p%2Fss@r/0", "proxies": {"https": "http://u:hunter2@p:1", "no_proxy": "a"}}
    assert read(password=" token ", extra=extra).secrets == ("token", "p%2Fss", "p/ss", "hunter2")
    assert read(extra={"proxies": "http://[broken"}).secrets == ("token",)
    store = "redis://h/0?db=1&password=p%2Fss&ssl_password=hunter2"
    assert read(extra={"rate_limit_store": store}).secrets == ("token", "p%2Fss", "hunter2", "p/ss")


def test_a_ca_bundle_and_unknown_keys_are_kept_apart():
    settings = read(extra={"verify": "/etc/ssl/ours.pem", "rate_limit": 5})
    assert settings.verify == "/etc/ssl/ours.pem"
    assert settings.unknown_keys == ("rate_limit",)


def test_no_secret_is_in_the_repr():
    text = repr(
        read(extra={"rate_limit_store": "redis://:hunter2@r/0", "proxies": "http://u:hunter3@p:1"}, password="s3cret")
    )
    assert "s3cret" not in text
    assert "hunter" not in text
