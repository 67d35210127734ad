from urllib.parse import parse_qs, urlsplit

import pytest

POST = "/attachments"


@pytest.fixture
def client(client):
    client.sandbox.add_tickets(["t-1", "t-2"])
    return client


@pytest.fixture
def attach(client):
    body = {"ticket_id": "t-1", "content_type": "audio/mp3"}
    return lambda **fields: client.call("POST", POST, body | fields)


def test_without_a_url_a_presigned_one_is_answered(client, attach):
    status, answer = attach(id="a-1")
    assert (status, set(answer)) == (200, {"id", "presigned_url"})
    url = urlsplit(answer["presigned_url"])
    assert f"http://{url.netloc}" == client.sandbox.storage_url
    query = parse_qs(url.query)
    assert query["X-Amz-Expires"] == ["600"]
    assert query["X-Amz-SignedHeaders"] == ["content-type;host;x-amz-server-side-encryption"]
    assert query["X-Amz-Signature"][0] in client.sandbox.secrets


def test_until_bytes_come_there_are_none(make_sandbox, make_client, clock):
    client = make_client(make_sandbox(clock=clock))
    client.sandbox.add_tickets(["t-1"])
    _, answer = client.call("POST", POST, {"ticket_id": "t-1", "content_type": "audio/mp3"})
    assert client.sandbox.attachments == {
        answer["id"]: {
            "id": answer["id"],
            "ticket_id": "t-1",
            "content_type": "audio/mp3",
            "public": True,
            "timestamp": "2023-11-14T22:13:20.000Z",
            "upload": None,
        }
    }


def test_with_a_url_only_the_id_is_answered(client, attach):
    everything = {"author_id": "agent-1", "public": False, "timestamp": "2022-12-13T05:00:00Z", "id": "a-1"}
    url = "https://example.com/your_file.png"
    assert attach(url=url, **everything) == (200, {"id": "a-1"})
    kept = client.sandbox.attachments["a-1"]
    assert {name: kept[name] for name in ("url", *everything)} == {"url": url, **everything}


def test_an_attachment_without_an_id_is_another_one_each_time(client, attach):
    ids = {attach()[1]["id"] for _ in range(3)}
    assert ids == set(client.sandbox.attachments)
    assert len(ids) == 3


def test_an_id_may_be_used_again_and_there_is_still_one_attachment(client, attach):
    urls = [attach(id="a-1")[1]["presigned_url"] for _ in range(2)]
    assert urls[0] != urls[1]
    assert urlsplit(urls[0]).path == urlsplit(urls[1]).path
    assert list(client.sandbox.attachments) == ["a-1"]


def test_an_id_of_an_attachment_of_another_ticket_is_taken(client, attach):
    attach(id="a-1")
    status, answer = attach(id="a-1", ticket_id="t-2")
    assert (status, "id 'a-1'" in answer["error"]) == (409, True)
    assert client.sandbox.attachments["a-1"]["ticket_id"] == "t-1"


def test_an_id_used_again_may_be_a_conflict(make_sandbox, make_client):
    client = make_client(make_sandbox(attachment_id_reuse="conflict", unknown_tickets="accept"))
    body = {"ticket_id": "t-1", "content_type": "audio/mp3", "id": "a-1"}
    statuses = [client.call("POST", POST, body)[0] for _ in range(2)]
    assert statuses == [200, 409]


def test_the_ticket_of_an_attachment_must_exist(client, attach):
    status, answer = attach(ticket_id="t-9")
    assert (status, "'t-9'" in answer["error"]) == (404, True)
    assert client.sandbox.attachments == {}


@pytest.mark.parametrize(
    ("field", "complaint"),
    [
        ({"content_type": "mp3"}, "content_type must be a MIME type"),
        ({"content_type": "audio/mp3\r\nx: y"}, "content_type must be a MIME type"),
        ({"content_type": None}, "content_type must not be null"),
        ({"url": "ftp://example.com/x"}, "url must be a URL with http or https"),
        ({"url": ""}, "url must be a URL"),
        ({"id": ""}, "id must be a non-empty string"),
        ({"public": "no"}, "public must be true or false"),
        ({"timestamp": "2022"}, "timestamp must be a UTC date"),
        ({"file": "x"}, "file is not a known parameter"),
    ],
)
def test_a_parameter_that_is_not_as_documented_is_refused_by_name(client, attach, field, complaint):
    status, answer = attach(**field)
    assert (status, complaint in answer["error"]) == (400, True)
    assert client.sandbox.attachments == {}


def test_a_mime_type_may_have_parameters(attach):
    assert attach(content_type="text/csv; charset=utf-8")[0] == 200
