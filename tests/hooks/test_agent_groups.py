"""Groups of agents: read, changed, and named by what people call them; accounts are only read."""

from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.resources import groups
from airflow_provider_maestroqa.sandbox import Sandbox

GROUPS = "/api/v1/scim/v2/Groups"


def emails(*numbers):
    return [f"agent-{number}@example.com" for number in numbers]


@pytest.fixture(scope="module")
def running():
    with Sandbox(limits={}, agents=300, agent_groups=2, users=45) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    return running


@pytest.fixture
def support(sandbox):
    """A group with two agents."""
    return sandbox.add_agent_group("Support", members=emails(1, 2))


def patches(sandbox):
    return [one for one in sandbox.requests if one.method == "PATCH"]


def test_lists_are_read_from_1_to_their_end_20_at_a_time(hook, sandbox):
    for number in range(43):
        sandbox.add_agent_group(f"Team {number}")
    groups = list(hook.list_agent_groups())
    assert [group["displayName"] for group in groups][:3] == ["Agents 1", "Agents 2", "Team 0"]
    assert {group["id"] for group in groups} == set(sandbox.agent_groups)
    assert [int(one.query["startIndex"]) for one in sandbox.requests] == [1, 21, 41]
    assert len(list(hook.list_users())) == len(sandbox.users) == 45
    assert {one["id"] for one in hook.list_user_groups()} == set(sandbox.user_groups)


@pytest.mark.parametrize(
    "fault", [{"kind": "page_cap", "at": 7}, {"kind": "overlap_page", "at": 3, "after": 1}], ids=str
)
def test_a_server_that_pages_otherwise_loses_no_record(hook, sandbox, fault):
    sandbox.fault(**fault, times=None)
    assert {user["id"] for user in hook.list_users()} == set(sandbox.users)


@pytest.mark.parametrize("name", ["user_name", "userName"])
def test_a_user_is_found_by_name(hook, sandbox, name):
    (user,) = hook.list_users(**{name: "user-7@example.com"})
    assert sandbox.requests[-1].query["filter"] == 'userName eq "user-7@example.com"'
    assert hook.get_user(user["id"]) == user
    assert list(hook.list_users(**{name: 'no"body\\'})) == []


def test_a_filter_that_is_not_known_is_an_error_before_a_request(hook, sandbox):
    with pytest.raises(errors.MaestroQAConfigError, match=r"agent_id is not a filter of users. It takes: user_name"):
        hook.list_users(agentId="a")
    with pytest.raises(errors.MaestroQAConfigError, match=r"start is not a filter of agent_groups. It takes none"):
        hook.list_records("agent_groups", start="2026-01-01T00:00:00Z")
    assert sandbox.requests == []


def test_a_group_is_read_by_its_name_or_its_id(hook, support):
    group = hook.get_agent_group("Support")
    assert (group["id"], group["members"]) == (support, emails(1, 2))
    assert hook.get_agent_group(support) == group


def test_members_join_and_leave(hook, sandbox, support):
    done = hook.update_agent_group("Support", add=emails(3, 2), remove=["AGENT-1@example.com", "agent-9@example.com"])
    assert done == {"agent_group": "Support", "added": 1, "removed": 1}
    assert sandbox.agent_groups[support]["members"] == emails(2, 3)
    again = hook.update_agent_group(support, add=emails(3), remove=emails(1))
    assert again == {"agent_group": "Support", "added": 0, "removed": 0}
    assert len(patches(sandbox)) == 1


def test_a_large_group_takes_requests_of_100_members(hook, sandbox, support):
    everyone = emails(*range(1, 251))
    assert hook.update_agent_group(support, add=everyone)["added"] == 248
    assert sorted(sandbox.agent_groups[support]["members"]) == sorted(everyone)
    assert hook.update_agent_group(support, remove=everyone)["removed"] == 250
    assert sandbox.agent_groups[support]["members"] == []
    assert len(patches(sandbox)) == 3 + 3
    assert all(len(one.raw) < 20_000 for one in patches(sandbox))


@pytest.mark.parametrize("fault", [{"kind": "reset_after"}, {"kind": "status", "status": 502, "done": True}], ids=str)
def test_a_lost_response_is_harmless(hook, sandbox, support, fault):
    sandbox.fault(**fault, method="PATCH")
    assert hook.update_agent_group(support, add=emails(3)) == {"agent_group": "Support", "added": 1, "removed": 0}
    assert sandbox.agent_groups[support]["members"] == emails(1, 2, 3)
    assert len(patches(sandbox)) == 2


@pytest.mark.parametrize("body", [b"", {"displayName": "Support"}], ids=["204", "a group without members"])
def test_a_response_that_does_not_show_the_members_is_looked_after(hook, sandbox, support, body):
    status = 200 if body else 204
    sandbox.fault("status", status=status, body=body, method="PATCH", done=True)
    assert hook.update_agent_group(support, add=emails(3))["added"] == 1
    assert sandbox.count("GET", f"{GROUPS}/{support}") == 1
    sandbox.fault("status", status=status, body=body, method="PATCH")
    with pytest.raises(errors.MaestroQADataError, match=r"but agent-4@example.com did not join"):
        hook.update_agent_group(support, add=emails(4))


def test_a_change_that_was_accepted_but_not_made_is_an_error(hook, sandbox, support):
    unchanged = sandbox.agent_groups[support]
    sandbox.fault("status", status=200, body=unchanged, method="PATCH", times=None)
    with pytest.raises(errors.MaestroQADataError, match=r"-8@example.com did not join and .*-1@example.com did not"):
        hook.update_agent_group(support, add=emails(8), remove=emails(1))


def test_members_that_are_named_otherwise_are_sent_and_not_compared(hook, sandbox, support):
    plain = {"id": "g", "displayName": "By id", "members": ["1", {"value": "2"}]}
    sandbox.fault("status", path=GROUPS, status=200, body={"totalResults": 1, "Resources": [plain]})
    sandbox.fault("status", method="PATCH", status=200, body=plain)
    assert hook.update_agent_group("g", add=emails(3))["added"] == 1


def test_texts_of_the_server_are_made_fit_for_logs_and_xcoms(hook, sandbox):
    group = {"id": "g", "displayName": "Night\x1b[31m\nshift", "members": ["a\n@x.y"]}
    sandbox.fault("status", path=GROUPS, status=200, body={"totalResults": 1, "Resources": [group]}, times=2)
    assert hook.update_agent_group("g", add=[])["agent_group"] == "Night [31m shift"
    with pytest.raises(errors.MaestroQAConfigError) as caught:
        hook.update_agent_group("h", add=[])
    assert str(caught.value).isprintable()


def test_members_may_come_as_objects(hook, sandbox):
    group = {"id": "g", "displayName": "Objects", "members": [{"value": "Agent-3@example.com"}]}
    sandbox.fault("status", path=GROUPS, status=200, body={"totalResults": 1, "Resources": [group]})
    assert hook.update_agent_group("Objects", add=emails(3))["added"] == 0
    assert patches(sandbox) == []


def test_a_member_that_is_no_agent_is_named_and_nobody_of_its_request_joins(hook, sandbox, support):
    with pytest.raises(errors.MaestroQAValidationError, match=r"user-1@example.com.*0 of 1 requests") as caught:
        hook.update_agent_group(support, add=[*emails(3), "user-1@example.com"])
    assert not caught.value.retryable
    assert sandbox.agent_groups[support]["members"] == emails(1, 2)


def test_a_group_that_is_not_there_is_an_error_with_names_that_are(hook, sandbox, support):
    with pytest.raises(errors.MaestroQAConfigError, match=r"'suport' is neither the name nor the id .*'Support'"):
        hook.update_agent_group("suport", add=emails(3))
    assert patches(sandbox) == []


def test_a_name_that_two_groups_have_is_an_error_with_their_ids(hook, sandbox, support):
    other = sandbox.add_agent_group("Support")
    with pytest.raises(errors.MaestroQAConfigError, match=f"name of 2 groups .* the ids {support}, {other}"):
        hook.update_agent_group("Support", add=emails(3))
    assert hook.update_agent_group(other, add=emails(3))["added"] == 1
    assert len(patches(sandbox)) == 1


@pytest.mark.parametrize(
    ("group", "arguments", "message"),
    [
        ("Support", {}, "Pass add or remove"),
        ("Support", {"add": "ann@example.com"}, "add must be a list of e-mail addresses, got str"),
        ("Support", {"remove": {"a@b.c": 1}}, "remove must be a list of e-mail addresses, got dict"),
        ("Support", {"add": ["ann@example.com", "ann"]}, r"add\[1\] must be the e-mail address of an agent"),
        ("Support", {"add": [None]}, r"add\[0\] must be the e-mail address"),
        ("Support", {"add": ["a@b.c"], "remove": ["A@b.c"]}, "add and remove both name a@b.c"),
    ],
)
def test_a_wrong_argument_is_named_before_a_request(hook, sandbox, group, arguments, message):
    with pytest.raises(errors.MaestroQAConfigError, match=message):
        hook.update_agent_group(group, **arguments)
    assert sandbox.requests == []


@pytest.mark.parametrize("group", [None, "", "None", ["Support"]])
def test_what_names_no_group_is_an_error(hook, group):
    with pytest.raises(errors.MaestroQAConfigError, match="agent_group must be text"):
        hook.update_agent_group(group, add=emails(3))


def test_no_change_is_no_request_but_the_group_must_be_there(hook, sandbox, support):
    assert hook.update_agent_group("Support", add=[]) == {"agent_group": "Support", "added": 0, "removed": 0}
    assert patches(sandbox) == []
    with pytest.raises(errors.MaestroQAConfigError, match="neither the name nor the id"):
        hook.update_agent_group("Sales", add=[])


@pytest.mark.parametrize("method", ["create_agent", "upsert_agent"])
def test_an_agent_is_created_in_a_group_by_its_name(hook, sandbox, support, method):
    agent = {"name": "Ann", "email": "ann@example.com", "available": True}
    assert getattr(hook, method)(agent, agent_group="Support")["agentGroupId"] == support
    assert "ann@example.com" in sandbox.agent_groups[support]["members"]
    other = {**agent, "email": "bob@example.com", "agentGroupId": "their-own"}
    assert getattr(hook, method)(other, agent_group="Support")["agentGroupId"] == "their-own"


def test_a_push_of_agents_looks_for_the_group_once(hook, sandbox, support):
    agents = [{"name": f"A{number}", "email": f"a{number}@example.com", "available": True} for number in range(5)]
    report = hook.push("agents", agents, agent_group="Support")
    assert (report["created"], sandbox.count("GET", GROUPS)) == (5, 1)
    assert sandbox.agent_groups[support]["members"] == emails(1, 2) + [agent["email"] for agent in agents]


def test_a_push_with_a_group_that_is_not_there_sends_no_agent(hook, sandbox):
    with pytest.raises(errors.MaestroQAConfigError, match="neither the name nor the id"):
        hook.push("agents", [{"name": "A", "email": "a@example.com", "available": True}], agent_group="Nobody")
    assert sandbox.count("POST", "/api/v1/agents") == 0
    with pytest.raises(errors.MaestroQAConfigError, match="agent_group is for agents only, not for comments"):
        hook.push("comments", [], agent_group="Support")


def test_a_group_without_an_id_cannot_be_used():
    with pytest.raises(errors.MaestroQADataError, match="came without an id"):
        groups.find_group(groups.AGENT_GROUP, [{"displayName": "A"}], "A")
    with pytest.raises(errors.MaestroQAConfigError, match="There is none"):
        groups.find_group(groups.AGENT_GROUP, [], "A")
