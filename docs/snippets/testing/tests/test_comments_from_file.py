import json

import pytest


@pytest.fixture
def comments(lake):
    (lake / "comments.csv").write_text("ticket_id,body\nt-1,Hello\nt-2,Good-bye\nt-404,Anyone?\n")
    return lake


def test_comments_arrive_and_the_one_of_no_ticket_is_kept(maestroqa_sandbox, maestroqa_run_dag, comments):
    maestroqa_sandbox.add_tickets(["t-1", "t-2"])

    run = maestroqa_run_dag("comments_from_file")

    assert run.state == "success"
    arrived = {comment["ticket_id"]: comment["body"] for comment in maestroqa_sandbox.comments}
    assert arrived == {"t-1": "Hello", "t-2": "Good-bye"}
    assert run.returned["push"]["rejected"] == 1
    (reject,) = (comments / "rejects.jsonl").read_text().splitlines()
    assert json.loads(reject)["record"]["ticket_id"] == "t-404"


def test_no_comment_arrives_twice_though_the_answer_is_lost(maestroqa_sandbox, maestroqa_run_dag, comments):
    maestroqa_sandbox.add_tickets(["t-1", "t-2", "t-404"])
    maestroqa_sandbox.fault("reset_after", path="/api/v1/comments-batch")

    run = maestroqa_run_dag("comments_from_file")

    assert run.state == "failed"
    assert maestroqa_sandbox.count("POST", "/api/v1/comments-batch") == 1
    assert len(maestroqa_sandbox.comments) == 3
    (request,) = [one for one in maestroqa_sandbox.requests if one.method == "POST"]
    assert [comment["ticket_id"] for comment in request.body["batch"]] == ["t-1", "t-2", "t-404"]
