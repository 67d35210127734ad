"""Proxies that refuse and proxies that lose the response; and whose proxies and certificates a request takes."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys

import pytest
import requests
from proxies import LOSSES, Proxy, through_proxies

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport.network import SendPhase, record_begin
from airflow_provider_maestroqa.client.transport.session import make_session
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

COMMENT = {"ticket_id": "T-1", "body": "hello"}
#: Requests that must not come twice, and how often the sandbox has carried them out.
UNSAFE = {
    "an export request": (
        build_request("request_groups_export", {"name": "x"}),
        lambda sandbox: sandbox.count("POST", "/api/v1/request-groups-export"),
    ),
    "a comment": (build_request("create_comment", COMMENT), lambda sandbox: len(sandbox.comments)),
    "two comments": (
        build_request("create_comments", {"batch": [COMMENT, {**COMMENT, "body": "again"}]}),
        lambda sandbox: len(sandbox.comments) // 2,
    ),
}
GET = build_request("list_todos", {"count": 1})


@pytest.fixture
def routed(make_driver, route, sandbox):
    """A driver on a route; what its requests do in the sandbox."""
    sandbox.add_tickets(["T-1"])
    return make_driver(host=route.url(sandbox.url), **{"timeout": 5, **route.extra})


@pytest.fixture
def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@through_proxies
@pytest.mark.parametrize("call", UNSAFE)
@pytest.mark.parametrize("fault", LOSSES)
def test_a_response_that_a_proxy_loses_is_never_asked_for_again_where_that_would_double(
    routed, make_driver, route, sandbox, call, fault
):
    request, carried_out = UNSAFE[call]
    if fault == "hold_after":
        routed = make_driver(host=route.url(sandbox.url), **route.extra, timeout=0.3)
    route.proxy.fault(fault, times=None)
    with pytest.raises(errors.MaestroQAOutcomeUnknownError, match="may or may not"):
        routed.send(request)
    assert len(route.proxy.requests) == 1
    assert carried_out(sandbox) == (0 if fault.endswith("_before") else 1)


@through_proxies
@pytest.mark.parametrize("fault", [fault for fault in LOSSES if fault != "hold_after"])
def test_a_response_that_a_proxy_loses_is_asked_for_again_where_that_does_no_harm(routed, route, fault):
    route.proxy.fault(fault, times=2)
    assert "Resources" in routed.send(GET)
    assert len(route.proxy.requests) == 3


@pytest.mark.parametrize("route", ["tunnel"], indirect=True)
@pytest.mark.parametrize("fault", ["close", "reset", "hold", 407, 502])
def test_what_happens_before_the_tunnel_is_made_is_never_sent(routed, make_driver, route, sandbox, fault):
    request, carried_out = UNSAFE["a comment"]
    if fault == "hold":
        routed = make_driver(host=route.url(sandbox.url), **route.extra, timeout=0.3)
    kind = {"kind": "status", "status": fault} if isinstance(fault, int) else {"kind": fault}
    route.proxy.fault(**kind, times=2)
    sent = []
    assert routed.send(request, **({"on_in_flight": sent.append} if routed.kind == "sync" else {}))
    assert carried_out(sandbox) == 1
    assert sent in ([], [True, False] * 2 + [True])


@pytest.mark.parametrize("route", ["forward"], indirect=True)
@pytest.mark.parametrize(
    ("fault", "is_sent"), [({"kind": "close"}, True), ({"kind": "status", "status": 407}, False)]
)
def test_a_forward_proxy_that_closes_may_have_passed_it_on_and_one_that_wants_a_password_has_not(
    routed, route, sandbox, fault, is_sent
):
    request, carried_out = UNSAFE["a comment"]
    route.proxy.fault(**fault)
    if is_sent:
        with pytest.raises(errors.MaestroQAOutcomeUnknownError):
            routed.send(request)
    else:
        routed.send(request)
    assert carried_out(sandbox) == (0 if is_sent else 1)


@pytest.mark.parametrize("host", ["http://127.0.0.1:9", "https://127.0.0.1:9"])
def test_a_proxy_that_cannot_be_reached_gets_nothing(make_driver, closed_port, host):
    driver = make_driver(host=host, proxies=f"http://me:hunter2@127.0.0.1:{closed_port}")
    with pytest.raises(errors.MaestroQAConnectionError, match="the proxy did not let") as caught:
        driver.send(UNSAFE["a comment"][0])
    assert caught.value.sent is False
    assert len(driver.time.slept) == 4


def test_a_second_request_on_a_kept_connection_begins_anew(sandbox):
    settings = read_settings("c", host=sandbox.url, password=sandbox.token)
    with make_session(settings) as session:
        for _ in range(2):
            with SendPhase() as phase:
                assert session.get(f"{sandbox.url}/api/v1/todos").status_code == 401
            assert phase.begun
        with SendPhase() as phase, pytest.raises(Exception, match="No connection adapters"):
            session.get("ftp://127.0.0.1/")
    record_begin()
    assert not phase.begun


# -- Whose proxy a request takes


@pytest.fixture
def others(closed_port, monkeypatch):
    """An environment whose proxies lead nowhere."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")


@through_proxies
def test_the_connection_s_proxy_and_certificates_come_before_the_environment_s(
    routed, route, sandbox, others, monkeypatch, tmp_path
):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "no-such.pem"))
    assert routed.send(GET)
    assert route.proxy.requests == [("GET", "/api/v1/todos")]
    with make_session(routed.settings) as session:
        session.put(route.url(f"{sandbox.storage_url}/attachments/x"), data=b"x", stream=True).close()
    assert route.proxy.requests[1:] == [("PUT", "/attachments/x")]


@pytest.mark.parametrize(
    "proxies", [{"no_proxy": "127.0.0.1"}, {"no": "*"}, {"http": ""}, {"http": "http://127.0.0.1:9", "no_proxy": "*"}]
)
def test_the_connection_can_ask_for_the_direct_way(make_driver, sandbox, others, proxies):
    assert make_driver(proxies=proxies).send(GET)
    assert len(sandbox.requests) == 1


def test_the_environment_s_proxy_is_used_without_a_scheme_too_and_no_proxy_holds(make_driver, sandbox, monkeypatch):
    proxy = Proxy()
    monkeypatch.setenv("http_proxy", proxy.url.removeprefix("http://"))
    assert make_driver().send(GET)
    assert len(proxy.requests) == 1
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert make_driver().send(GET)
    assert len(proxy.requests) == 1
    proxy.close()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ALL_PROXY", "socks5://me:hunter2@127.0.0.1:1080", "variable ALL_PROXY names a proxy of the kind socks5://"),
        ("http_proxy", "ftp://127.0.0.1:1080", "variable http_proxy names a proxy of the kind ftp://"),
        ("http_proxy", "http://:80", "variable http_proxy names no proxy that can be used"),
        ("http_proxy", "http://127.0.0.1:many", "variable http_proxy names no proxy that can be used"),
        ("", "http://[broken", "extra proxies names no proxy that can be used"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_and_nothing_counts_as_sent(
    make_driver, sandbox, monkeypatch, name, value, said
):
    monkeypatch.setitem(sys.modules, "socks", None)
    extra = {} if name else {"proxies": value}
    if name:
        monkeypatch.setenv(name, value)
    driver, in_flight = make_driver(**extra), []
    with pytest.raises(errors.MaestroQAConfigError, match=said) as caught:
        driver.send(UNSAFE["a comment"][0], **({"on_in_flight": in_flight.append} if driver.kind == "sync" else {}))
    assert "hunter2" not in str(caught.value)
    assert in_flight in ([], [True, False])
    assert driver.time.slept == []
    assert sandbox.requests == []


# -- Whose certificates a request trusts


@pytest.fixture(params=["missing", "empty", "no certificate", "a key alone", "an empty folder"])
def broken_bundle(request, tmp_path, authority):
    path = tmp_path / "bundle.pem"
    if request.param == "an empty folder":
        path.mkdir()
        (path / "readme.txt").write_text("Certificates go here.")
    elif request.param != "missing":
        key = authority.bundle.with_name("server.pem").read_text().partition("-----BEGIN CERT")[0]
        path.write_text({"empty": "", "no certificate": "hello\n", "a key alone": key}[request.param])
    return path


@pytest.mark.parametrize("source", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "the connection's extra verify"])
def test_a_bundle_without_certificates_is_named(make_driver, broken_bundle, monkeypatch, closed_port, source):
    extra = {"verify": str(broken_bundle)}
    if source.isupper():
        monkeypatch.setenv(source, extra.pop("verify"))
    driver = make_driver(host=f"https://127.0.0.1:{closed_port}", **extra)
    with pytest.raises(errors.MaestroQAConfigError, match=r"which (is not on this machine|holds no cert)") as caught:
        driver.send(GET)
    assert str(broken_bundle) in str(caught.value)
    assert source.lower() in str(caught.value).lower()
    with make_session(driver.settings) as session, pytest.raises(errors.MaestroQAConfigError):
        session.get(f"https://127.0.0.1:{closed_port}")
    with pytest.raises(errors.MaestroQAConnectionError):  # without TLS they are not needed
        make_driver(host=f"http://127.0.0.1:{closed_port}", **extra).send(GET)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
# aiohttp as old as Airflow 2.11 may leave the end of a connection, whose certificate it refuses, to the event loop.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function _SelectorTransport.__del__:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("route", ["tunnel"], indirect=True)
@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_the_environment_is_trusted_where_the_connection_names_none(
    make_driver, route, sandbox, authority, monkeypatch, name, tmp_path
):
    trusting = {**route.extra, "verify": True}
    driver = make_driver(host=route.url(sandbox.url), **trusting)
    with pytest.raises(errors.MaestroQAConnectionError, match="certificate could not be verified"):
        driver.send(GET)
    folder = tmp_path / "certificates"
    folder.mkdir()
    certificate = ssl.PEM_cert_to_DER_cert(authority.bundle.read_text())
    from cryptography import x509

    (folder / f"{subject_hash(x509.load_der_x509_certificate(certificate)):08x}.0").write_text(
        authority.bundle.read_text()
    )
    for bundle in (authority.bundle, folder):
        monkeypatch.setenv(name, str(bundle))
        assert driver.send(GET)
    assert make_driver(host=route.url(sandbox.url), **{**route.extra, "verify": False}).send(GET)


def subject_hash(certificate):
    """What OpenSSL calls a certificate in a folder: the SHA-1 of its subject in canonical form."""
    import subprocess

    from cryptography.hazmat.primitives.serialization import Encoding

    pem = certificate.public_bytes(Encoding.PEM)
    done = subprocess.run(["openssl", "x509", "-noout", "-hash"], input=pem, capture_output=True, check=True)
    return int(done.stdout, 16)


def test_a_trigger_ends_with_the_error_of_a_bundle_or_a_proxy_instead_of_dying(connect, monkeypatch, tmp_path):
    from airflow_provider_maestroqa.triggers.exports import MaestroQAExportTrigger

    async def event():
        trigger = MaestroQAExportTrigger(export_id="e", poll_interval=1, deadline=4_000_000_000)
        async for one in trigger.run():
            return one.payload

    connect(host="https://127.0.0.1:9")
    for name, value in (("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem")), ("ALL_PROXY", "socks5://127.0.0.1:1")):
        monkeypatch.setenv(name, value)
        payload = asyncio.run(event())
        assert payload["status"] == "refused"
        assert name in payload["message"]
    assert MaestroQAHook().test_connection()[0] is False


@pytest.mark.parametrize("url", ["http://storage.invalid/x?s=1", "http://127.0.0.1.invalid/"])
def test_nothing_goes_to_another_machine_without_tls_unless_the_connection_allows_it(url):
    settings = {"password": "t", "extra": {"proxies": "http://127.0.0.1:9"}}
    with make_session(read_settings("c", **settings)) as session, pytest.raises(errors.MaestroQADataError) as caught:
        session.get(url)
    assert "s=1" not in str(caught.value)
    settings["extra"]["allow_http"] = True
    with make_session(read_settings("c", **settings)) as session, pytest.raises(requests.exceptions.ProxyError):
        session.get(url)
