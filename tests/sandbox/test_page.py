"""The page that a person gets who opens the sandbox in a browser."""

import re

import pytest


@pytest.fixture
def page(client):
    """The page now, as a browser asks for it."""

    def look():
        answer = client.api("GET", "/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        return answer.text

    return look


def rows(page, heading):
    """The cells of the table under a heading, as plain text, the head first."""
    table = page.partition(f"<h2>{heading}</h2>")[2].partition("</table>")[0]
    return [
        [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    ]


def test_a_fresh_sandbox_says_what_it_is_and_that_nothing_has_happened(page):
    shown = page()
    assert "Nothing here reaches the real MaestroQA." in shown
    assert "No export has been requested yet." in shown
    assert "No request has been received yet." in shown


def test_each_export_is_shown_with_its_status(page, client):
    done, _ = client.finished("raw", name="Grades")
    asked = client.ask("groups").json()["exportId"]
    running = client.ask("audit_log").json()["exportId"]
    client.poll(running)
    shown = rows(page(), "Exports")
    assert shown[0] == ["Id", "Type", "Name", "Window", "Status", "Polls", "Rows", "Bytes"]
    by_id = {row[0]: row[1:] for row in shown[1:]}
    assert list(by_id) == [running, asked, done]
    assert by_id[done][:5] == ["raw", "Grades", "2021-03-01 to 2021-03-08", "complete", "3"]
    export = client.sandbox.exports[done]
    assert by_id[done][5:] == [f"{sum(file.rows for file in export.files.values()):,}", f"{export.stored.size:,}"]
    assert (by_id[running][3], by_id[running][4], by_id[running][6]) == ("in progress", "1", "")


def test_an_export_that_failed_is_said_to_have(page, client):
    client.sandbox.fault(kind="errored")
    client.finished("groups")
    assert [row[4] for row in rows(page(), "Exports")[1:]] == ["errored"]


def test_the_records_are_counted(page, client, records):
    client.sandbox.add_tickets(["t-1", "t-2"])
    for _ in range(2):
        client.call("POST", "/comments", records.comment())
    counts = dict(row for row in rows(page(), "Records")[1:])
    assert (counts["tickets"], counts["comments"], counts["agents"], counts["todos"]) == ("2", "2", "20", "500")


def test_the_limits_are_shown_as_they_are_now(page, client):
    client.sandbox.set_limits({"normal": [[10, 1], [100, 60]]})
    assert rows(page(), "Limits of a token")[1:] == [["normal", "10 in 1 s, 100 in 60 s"]]
    client.sandbox.set_limits({})
    assert "<h2>Limits of a token</h2>\n<p>None.</p>" in page()


def test_the_last_requests_are_shown_the_newest_first_and_looking_adds_none(page, client):
    for _ in range(25):
        client.call("GET", "/nowhere")
    client.ask("groups")
    page()
    shown = page()
    found = rows(shown, "Last requests")
    assert len(found) == 21
    assert found[1][1:] == ["POST", "/api/v1/request-groups-export", "200", "api"]
    assert found[2][1:] == ["GET", "/api/v1/nowhere", "404", "api"]
    assert "The last 20 of 26 requests." in shown


def test_the_faults_that_are_set_are_shown(page, client):
    client.sandbox.fault(kind="status", status=503)
    client.ask("groups")
    assert rows(page(), "Faults")[:2] == [["Fault", "Parameters", "Fired"], ["status", "host: api, status: 503", "1"]]


def test_the_page_holds_no_token_and_no_presigned_url(page, client):
    client.sandbox.add_token("another-token")
    _, answer = client.finished("raw")
    assert client.get(answer["dataUrl"]).status_code == 200
    client.api("GET", f"/api/v1/todos?apitoken={client.sandbox.token}")
    shown = page()
    assert len(client.sandbox.secrets) >= 3
    assert not [secret for secret in client.sandbox.secrets if secret in shown]
    assert "X-Amz" not in shown


def test_nothing_that_was_sent_becomes_html(page, client):
    client.ask("groups", name='<script>alert("x")</script>')
    client.api("GET", "/api/v1/<img src=x>")
    client.sandbox.fault(kind="status", status=500, body="<script>1</script>")
    client.sandbox.fault(kind="redirect", location="https://x.example/<b>'\"")
    shown = page()
    assert "<script" not in shown
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt;alert(&quot;x&quot;)" in shown
