import pytest

from airflow_provider_maestroqa.sandbox import REAL_LIMITS
from airflow_provider_maestroqa.sandbox.rate_limiter import Limiter


def spend(limiter, times, token="a", bucket="normal"):
    return [limiter.check(token, bucket) is None for _ in range(times)]


def test_the_eleventh_request_of_a_second_is_refused(clock):
    limiter = Limiter(REAL_LIMITS, clock=clock)
    assert spend(limiter, 11) == [True] * 10 + [False]
    assert limiter.check("a", "normal").window_name == "second"


def test_the_hundred_and_first_request_of_a_minute_is_refused(clock):
    limiter = Limiter(REAL_LIMITS, clock=clock)
    for _ in range(10):
        assert all(spend(limiter, 10))
        clock.now += 1
    over = limiter.check("a", "normal")
    assert (over.window_name, over.wait) == ("minute", 50)
    clock.now += 50
    assert all(spend(limiter, 10))


def test_the_hard_bucket_and_other_tokens_have_their_own_count(clock):
    limiter = Limiter(REAL_LIMITS, clock=clock)
    assert spend(limiter, 10)[-1]
    assert spend(limiter, 2, bucket="hard") == [True, False]
    assert spend(limiter, 1, token="b") == [True]


@pytest.mark.parametrize(
    ("kind", "pause", "taken"),
    [("sliding", 0.9, 0), ("sliding", 1.01, 2), ("fixed", 0.05, 0), ("fixed", 0.2, 2)],
)
def test_a_window_is_the_second_before_the_request_or_one_of_the_clock(clock, kind, pause, taken):
    limiter = Limiter({"normal": [[2, 1]]}, window_kind=kind, clock=clock)
    clock.now += 0.9
    assert spend(limiter, 3) == [True, True, False]
    clock.now += pause
    assert sum(spend(limiter, 3)) == taken


@pytest.mark.parametrize(("count_refused", "later"), [(False, True), (True, False)])
def test_refused_requests_count_when_asked(clock, count_refused, later):
    limiter = Limiter({"normal": [[1, 1]]}, count_refused=count_refused, clock=clock)
    spend(limiter, 1)
    clock.now += 0.6
    assert spend(limiter, 1) == [False]
    clock.now += 0.6
    assert spend(limiter, 1) == [later]


def test_scaled_down_limits_keep_the_names_of_the_real_windows(clock):
    limiter = Limiter({"normal": [[2, 0.1], [3, 5]]}, clock=clock)
    spend(limiter, 2)
    assert limiter.check("a", "normal").window_name == "second"
    clock.now += 0.2
    spend(limiter, 1)
    assert limiter.check("a", "normal").window_name == "minute"


def test_a_limit_of_nothing_refuses_everything(clock):
    assert spend(Limiter({"normal": [[0, 1]]}, clock=clock), 2) == [False, False]


def test_the_api_answers_429_with_the_window_it_is_about(make_sandbox, make_client, clock):
    sandbox = make_sandbox(limits=REAL_LIMITS, clock=clock)
    client = make_client(sandbox)
    answers = [client.ask("groups") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json() == {"error": "Too many requests in the past second."}
    assert "Retry-After" not in answers[-1].headers
    assert len(sandbox.exports) == 10


def test_retry_after_is_sent_when_asked(make_sandbox, make_client, clock):
    client = make_client(make_sandbox(limits={"normal": [[1, 60]]}, retry_after=True, clock=clock))
    client.ask("groups")
    clock.now += 20.5
    answer = client.ask("groups")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "40")
    assert answer.json() == {"error": "Too many requests in the past minute."}


def test_the_real_limits_hold_unless_told_otherwise(make_sandbox, make_client, clock):
    client = make_client(make_sandbox(limits=REAL_LIMITS, clock=clock))
    hard = [client.api("POST", "/api/v1/coaching-sessions", json={}).status_code for _ in range(2)]
    assert hard[1] == 429
    assert client.ask("groups").status_code == 200


def test_downloads_and_control_requests_do_not_count(make_sandbox, make_client, clock):
    client = make_client(make_sandbox(limits={"normal": [[2, 60]]}, polls=0, clock=clock))
    _, answer = client.finished("groups")
    assert client.get(answer["dataUrl"]).status_code == 200
    assert client.api("GET", "/sandbox/state", headers={}).status_code == 200
    assert client.ask("groups").status_code == 429


def test_limits_can_be_changed_while_it_runs(client):
    client.sandbox.set_limits({"normal": [[1, 60]]})
    assert [client.ask("groups").status_code for _ in range(2)] == [200, 429]
    client.sandbox.set_limits(None)
    assert client.ask("groups").status_code == 200
