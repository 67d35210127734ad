"""One GET to the storage host: redirects, credentials, and no trace of the signed address."""

import logging

import pytest
import requests

from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.landing.download.http_get import redirected_url


def test_redirects_are_followed_with_the_range(landed, origin, reply):
    origin.body = b"text\n" * 200
    moved = reply(307, {"Location": "/elsewhere?s=2"})
    origin.plan.extend([moved, origin.dropping(500), moved])
    assert landed() == origin.body
    assert [seen[":path"] for seen in origin.seen[1::2]] == ["/elsewhere?s=2", "/elsewhere?s=2"]
    assert origin.ranges[-1] == "bytes=500-"


def test_a_ring_of_redirects_is_left(landed, origin, reply):
    origin.plan.extend([reply(302, {"Location": "/again"})] * 20)
    with pytest.raises(MaestroQADataError, match="redirected more than 5 times"):
        landed()
    assert len(origin.seen) == 6


@pytest.mark.parametrize("target", ["", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_redirect_to_no_web_address_is_not_followed(landed, origin, reply, target):
    origin.plan.append(reply(302, {"Location": target}))
    with pytest.raises(MaestroQADataError, match=r"not followed|neither http"):
        landed()
    assert len(origin.seen) == 1


def test_a_redirect_from_https_to_http_is_refused():
    with pytest.raises(MaestroQADataError, match=r"storage\.example redirected .* without TLS"):
        redirected_url("https://storage.example/a?s=1", "http://storage.example/a?s=1")
    assert redirected_url("https://a.example/x", "https://b.example/y") == "https://b.example/y"


@pytest.mark.parametrize("url", ["", "not a url", "ftp://host/x", "http://", "http://[bad/x"])
def test_an_unusable_download_address_is_refused(landed, url):
    with pytest.raises(MaestroQADataError, match="download address"):
        landed(fresh_url=lambda: url)


def test_no_credentials_of_the_session_or_the_machine_travel_to_the_storage(
    landed, origin, session, monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    session.headers.update({"apitoken": "secret", "Authorization": "Bearer secret"})
    assert landed() == origin.body
    assert not {"apitoken", "authorization"} & origin.seen[0].keys()
    assert origin.seen[0]["accept-encoding"] == "identity"


def test_the_session_s_proxy_is_used(landed, origin, session):
    session.trust_env = False
    session.proxies = {"http": origin.url}
    assert landed(fresh_url=lambda: "http://storage.localhost/export?s=1") == origin.body
    assert origin.seen[0][":path"] == "http://storage.localhost/export?s=1"


def test_neither_log_lines_nor_urllib3_s_debug_lines_hold_the_signature(landed, origin, reply, log_lines, caplog):
    caplog.set_level(logging.DEBUG)
    origin.plan.extend([origin.dropping(5), reply(403), reply(500), reply(302, {"Location": origin.link})])
    landed()
    assert any("127.0.0.1" in line for line in log_lines)
    assert any("GET" in record.getMessage() for record in caplog.records)
    assert "Signature" not in "\n".join(log_lines) + caplog.text
    assert "5ec2e7" not in "\n".join(log_lines) + caplog.text


@pytest.mark.parametrize("fault", ["refused", "404", "500", "html", "reset"])
def test_no_error_leads_back_to_the_signed_url(landed, origin, reply, fault):
    replies = {
        "404": reply(404),
        "500": reply(500),
        "html": reply(200, {}, f"<html>{origin.link}</html>".encode()),
        "reset": reply(200, {}, origin.body, cut=5),
    }
    url = origin.link if fault != "refused" else origin.link.replace("127.0.0.1", "127.0.0.2")
    origin.plan.extend([replies.get(fault)] * 30)
    with pytest.raises(MaestroQAError) as caught:
        landed(fresh_url=lambda: url)
    error = caught.value
    while error is not None:
        assert "5ec2e7" not in f"{error!r} {error} {error.args} {vars(error)}"
        assert not isinstance(error, requests.RequestException)
        error = error.__cause__ or error.__context__
