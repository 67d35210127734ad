"""Groups of agents and groups of accounts: created, replaced and deleted by what people call them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.sandbox import Sandbox

ROOT = "/api/v1/scim/v2"
LOST = [{"kind": "reset_after"}, {"kind": "status", "status": 502, "done": True}, {"kind": "html", "done": True}]


@pytest.fixture(scope="module")
def running():
    with Sandbox(limits={}, agents=40, agent_groups=2, users=12) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    return running


@pytest.fixture(params=["agent", "user"])
def kind(request, hook, sandbox):
    """One kind of groups: its methods by their verbs, names of members, and what the sandbox holds."""
    is_agents = request.param == "agent"
    return SimpleNamespace(
        name=request.param,
        what="agents" if is_agents else "accounts",
        members=[*(sandbox.agents if is_agents else sandbox.users)],
        stranger="user-1@example.com" if is_agents else "nobody",
        path=f"{ROOT}/{'Groups' if is_agents else 'Usergroups'}",
        there=lambda: sandbox.agent_groups if is_agents else sandbox.user_groups,
        named=lambda name: [one for one in kind_of(sandbox, is_agents).values() if one["displayName"] == name],
        **{
            verb: getattr(hook, f"{verb}_{request.param}_group") for verb in ("create", "replace", "update", "delete")
        },
    )


@pytest.fixture
def lines(hook, mocker):
    """What the hook has logged."""
    log = mocker.patch.object(type(hook), "log", new_callable=mocker.PropertyMock).return_value
    return lambda: "\n".join(call.args[0] % call.args[1:] for call in log.info.call_args_list)


def kind_of(sandbox, is_agents):
    return sandbox.agent_groups if is_agents else sandbox.user_groups


def writes(sandbox):
    return [one.method for one in sandbox.requests if one.method != "GET"]


def test_a_group_is_created_changed_replaced_and_deleted(kind, sandbox):
    one, two, three, *_ = kind.members
    owner = next(iter(sandbox.users))
    group = kind.create("Night shift", members=[one, two, one], owners=[owner])
    assert kind.there()[group["id"]] == group
    assert (group["displayName"], group["members"], group["owners"]) == ("Night shift", [one, two], [owner])
    assert kind.update("Night shift", add=[three], remove=[one])["added"] == 1
    renamed = kind.replace("Night shift", name="Late shift")
    assert renamed == kind.there()[group["id"]]
    assert (renamed["displayName"], renamed["members"], renamed["owners"]) == ("Late shift", [two, three], [owner])
    assert kind.replace(group["id"], members=[])["members"] == []
    assert kind.delete("Late shift") is True
    assert group["id"] not in kind.there()


def test_who_is_in_a_group_stays_when_it_is_deleted(kind, sandbox):
    kind.create("Gone", members=kind.members[:2])
    agents, users = sandbox.agents, sandbox.users
    kind.delete("Gone")
    assert (sandbox.agents, sandbox.users) == (agents, users)


# -- Creating -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_group_whose_response_was_lost_is_found_by_its_name_and_not_made_twice(kind, sandbox, fault, lines):
    sandbox.fault(**fault, method="POST", path=kind.path)
    group = kind.create("Night shift", members=kind.members[:2])
    assert kind.named("Night shift") == [group]
    assert sandbox.count("POST", kind.path) == 1
    assert f"The response was lost, but the group of {kind.what} 'Night shift' was created." in lines()


@pytest.mark.parametrize("fault", [{"kind": "reset_before"}, {"kind": "status", "status": 502}], ids=str)
def test_a_request_that_may_still_arrive_is_unknown_and_calling_again_makes_one(kind, sandbox, fault):
    sandbox.fault(**fault, method="POST", path=kind.path)
    with pytest.raises(
        errors.MaestroQAOutcomeUnknownError, match=r"No group of this name .* looks for the name first"
    ):
        kind.create("Night shift")
    assert sandbox.count("POST", kind.path) == 1
    group = kind.create("Night shift", exist_ok=True)
    assert kind.create("Night shift", exist_ok=True) == group
    assert kind.named("Night shift") == [group]


def test_a_group_with_others_in_it_is_not_taken_for_the_one_whose_response_was_lost(kind, sandbox):
    other = {"id": "g", "displayName": "Night shift", "members": kind.members[5:6]}
    sandbox.fault("reset_before", method="POST", path=kind.path)
    sandbox.fault("status", path=kind.path, method="GET", status=200, body=page(other), after=1)
    with pytest.raises(
        errors.MaestroQAOutcomeUnknownError, match="Groups of this name now: 1, created by this request"
    ):
        kind.create("Night shift", members=kind.members[:1])


def test_a_list_that_cannot_be_read_after_a_lost_response_leaves_it_unknown(kind, sandbox):
    sandbox.fault("reset_after", method="POST", path=kind.path)
    sandbox.fault("status", path=kind.path, method="GET", status=401, body={"error": "Expired"}, after=1)
    with pytest.raises(errors.MaestroQAOutcomeUnknownError, match="The list of groups could not be read afterwards"):
        kind.create("Night shift")


def test_a_name_that_is_there_is_a_conflict_before_a_request_that_writes(kind, sandbox):
    group = kind.create("Support", members=kind.members[:2])
    with pytest.raises(
        errors.MaestroQAConflictError, match=f"called 'Support' already, with the id {group['id']}. Ch"
    ):
        kind.create("Support")
    assert kind.create("Support", members=[], exist_ok=True) == group
    assert writes(sandbox) == ["POST"]


def test_a_name_that_two_groups_have_is_an_error_with_their_ids(kind, sandbox):
    two = page(*({"id": name, "displayName": "Support", "members": []} for name in ("g1", "g2")))
    sandbox.fault("status", path=kind.path, method="GET", status=200, body=two, times=None)
    with pytest.raises(errors.MaestroQAConflictError, match="with the id g1, g2"):
        kind.create("Support")
    for use in (
        lambda: kind.create("Support", exist_ok=True),
        lambda: kind.replace("Support", members=[]),
        lambda: kind.update("Support", add=kind.members[:1]),
        lambda: kind.delete("Support"),
    ):
        with pytest.raises(errors.MaestroQAConfigError, match=r"is the name of 2 groups of .* with the ids g1, g2"):
            use()
    assert writes(sandbox) == []


def test_a_conflict_that_the_server_sees_is_one(kind, sandbox):
    sandbox.fault("status", status=409, body={"error": "displayName is in use"}, method="POST", path=kind.path)
    with pytest.raises(errors.MaestroQAConflictError, match="displayName is in use"):
        kind.create("Support")
    assert kind.named("Support") == []


def test_a_group_without_an_id_in_the_response_is_looked_for(kind, sandbox):
    sandbox.fault("status", status=201, body={}, method="POST", path=kind.path, done=True)
    group = kind.create("Support", members=kind.members[:1])
    assert kind.named("Support") == [group]


def test_a_group_that_was_created_without_a_member_is_an_error(kind, sandbox):
    made = {"id": "g", "displayName": "Support", "members": []}
    sandbox.fault("status", status=201, body=made, method="POST", path=kind.path)
    with pytest.raises(errors.MaestroQADataError, match="did not join"):
        kind.create("Support", members=kind.members[:1])


def test_a_member_that_is_none_is_named_and_nothing_is_made(kind, sandbox):
    kind.create("Support")
    with pytest.raises(errors.MaestroQAValidationError, match=f"Not {kind.name}s: members '{kind.stranger}'"):
        kind.create("Sales", members=[kind.members[0], kind.stranger])
    with pytest.raises(errors.MaestroQAValidationError, match=f"members '{kind.stranger}'"):
        kind.replace("Support", members=[kind.stranger])
    assert kind.named("Sales") == []
    assert kind.named("Support")[0]["members"] == []


@pytest.mark.parametrize("name", [None, "", "  ", "None", ["Support"]])
def test_a_name_that_is_none_is_an_error_before_a_request(kind, sandbox, name):
    with pytest.raises(errors.MaestroQAConfigError, match="name must be text that is not empty"):
        kind.create(name)
    if name is not None:
        with pytest.raises(errors.MaestroQAConfigError, match="name must be text that is not empty"):
            kind.replace("Support", name=name)
    for use in (kind.delete, lambda group: kind.replace(group, members=[])):
        with pytest.raises(errors.MaestroQAConfigError, match="_group must be text that is not empty"):
            use(name)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"members": "ann@example.com"}, "members must be a list of .*, got str"),
        ({"members": {"a": 1}}, "members must be a list of .*, got dict"),
        ({"members": [None]}, r"members\[0\] must be the .*, got NoneType"),
        ({"members": ["a b"]}, r"members\[0\] must be the "),
        ({"owners": ["ann@example.com"]}, r"owners\[0\] must be the id of an account, .* got an e-mail address"),
        ({"exist_ok": "perhaps"}, "exist_ok must be True or False"),
    ],
)
def test_a_wrong_argument_is_named_before_a_request(kind, sandbox, arguments, message):
    with pytest.raises(errors.MaestroQAConfigError, match=message):
        kind.create("Support", **arguments)
    if "exist_ok" not in arguments:
        with pytest.raises(errors.MaestroQAConfigError, match=message):
            kind.replace("Support", **arguments)
    assert sandbox.requests == []


# -- Replacing ------------------------------------------------------------------------------------------------------


def test_what_is_not_named_stays_as_it_is_at_that_moment(hook, sandbox):
    sandbox.add_agent_group("Support", members=["agent-1@example.com"])
    hook.update_agent_group("Support", add=["agent-2@example.com"])
    owner = next(iter(sandbox.users))
    assert hook.replace_agent_group("Support", owners=[owner])["members"] == [
        "agent-1@example.com",
        "agent-2@example.com",
    ]
    assert hook.replace_agent_group("Support", members=["AGENT-2@example.com"])["owners"] == [owner]


def test_a_group_that_is_as_it_should_be_gets_no_request(kind, sandbox):
    group = kind.create("Support", members=kind.members[:2])
    assert kind.replace("Support", name="Support", members=kind.members[1::-1]) == group
    assert writes(sandbox) == ["POST"]


def test_nothing_to_replace_is_an_error(kind, sandbox):
    with pytest.raises(errors.MaestroQAConfigError, match="Pass what the group is to have: name, members or owners"):
        kind.replace("Support")
    assert sandbox.requests == []


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_lost_response_to_a_replacement_is_harmless(kind, sandbox, fault):
    group = kind.create("Support", members=kind.members[:2])
    sandbox.fault(**fault, method="PUT")
    assert kind.replace("Support", members=kind.members[2:3])["members"] == kind.members[2:3]
    assert sandbox.count("PUT", f"{kind.path}/{group['id']}") == 2


def test_a_new_name_that_another_group_has_changes_nothing(kind, sandbox):
    kind.create("Support")
    other = kind.create("Sales")
    with pytest.raises(errors.MaestroQAConflictError, match=f"called 'Sales' already, with the id {other['id']}"):
        kind.replace("Support", name="Sales")
    assert "PUT" not in writes(sandbox)


def test_members_that_did_not_come_are_not_replaced_by_none(kind, sandbox):
    plain = {"id": "g", "displayName": "Support"}
    sandbox.fault("status", path=kind.path, method="GET", status=200, body=page(plain))
    sandbox.fault("status", path=f"{kind.path}/g", method="GET", status=200, body=plain)
    with pytest.raises(errors.MaestroQADataError, match=r"without members that can be read.* Nothing was changed"):
        kind.replace("g", name="Sales")
    assert writes(sandbox) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Sales"}, "accepted the name 'Sales' .* but it is called 'Support'"),
        ({"members": []}, "did not leave"),
        ({"owners": ["other"]}, "accepted the owners .* but it has others"),
    ],
)
def test_a_replacement_that_was_accepted_but_not_made_is_an_error(kind, sandbox, changes, message):
    owner = next(iter(sandbox.users))
    group = kind.create("Support", members=kind.members[:1], owners=[owner])
    sandbox.fault("status", status=200, body=group, method="PUT")
    with pytest.raises(errors.MaestroQADataError, match=message):
        kind.replace("Support", **changes)


def test_a_replacement_without_a_body_in_the_response_is_read(kind, sandbox):
    kind.create("Support", members=kind.members[:1])
    sandbox.fault("status", status=204, body=b"", method="PUT", done=True)
    assert kind.replace("Support", members=kind.members[1:2])["members"] == kind.members[1:2]


def test_a_group_that_goes_while_it_is_replaced_is_not_found(kind, sandbox):
    kind.create("Support")
    sandbox.fault("status", status=404, body={"error": "There is no group."}, method="PUT")
    with pytest.raises(errors.MaestroQANotFoundError):
        kind.replace("Support", name="Sales")
    with pytest.raises(errors.MaestroQAConfigError, match=r"'Suport' is neither the name nor the id .*'Support'"):
        kind.replace("Suport", name="Sales")


# -- Deleting -------------------------------------------------------------------------------------------------------


def test_a_group_that_is_not_there_is_deleted_already_and_the_log_says_so(kind, sandbox, lines):
    kind.create("Support")
    assert kind.delete("Suport") is False
    assert "Nothing was deleted: " in lines()
    assert "'Support'" in lines()
    assert writes(sandbox) == ["POST"]


def test_a_group_that_goes_in_between_is_gone(kind, sandbox, lines):
    group = kind.create("Support")
    for method in ("DELETE", "GET"):
        gone = {"error": "There is no group with this id."}
        sandbox.fault("status", status=404, body=gone, method=method, path=f"{kind.path}/{group['id']}")
    assert kind.delete("Support") is False
    assert "was deleted in between" in lines()


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_lost_response_to_a_deletion_counts_as_deleted(kind, sandbox, fault, lines):
    kind.create("Support", members=kind.members[:2])
    sandbox.fault(**fault, method="DELETE")
    assert kind.delete("Support") is True
    assert kind.named("Support") == []
    assert "of 2 members" in lines()


def test_a_route_that_is_not_there_is_no_deletion(kind, sandbox):
    kind.create("Support")
    sandbox.fault("status", status=404, body="<html>Not found</html>", method="DELETE")
    with pytest.raises(errors.MaestroQANotFoundError):
        kind.delete("Support")
    assert len(kind.named("Support")) == 1


def test_a_rejected_token_is_no_deletion(kind, sandbox):
    kind.create("Support")
    sandbox.fault("status", status=403, body={"error": "Forbidden"}, method="DELETE")
    with pytest.raises(errors.MaestroQAPermissionError):
        kind.delete("Support")
    assert len(kind.named("Support")) == 1


def page(*groups):
    return {"totalResults": len(groups), "startIndex": 1, "itemsPerPage": 20, "Resources": list(groups)}
