import pytest

ROOT = "/scim/v2"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def patch(client, group_id, *operations, **changes):
    body = {"schemas": [PATCH], "Operations": list(operations), **changes}
    return client.call(
        "PATCH", f"{ROOT}/Groups/{group_id}", {name: one for name, one in body.items() if one is not None}
    )


def add(*names):
    return {"op": "add", "path": "members", "value": [{"value": name} for name in names]}


def remove(name):
    return {"op": "remove", "path": f'members[value eq "{name}"]'}


@pytest.fixture
def group(client):
    return client.sandbox.add_agent_group("Support", members=["agent-1@example.com"])


@pytest.mark.parametrize("name", ["Groups", "Usergroups", "Users"])
def test_a_list_counts_from_1_with_20_to_a_page(client, name):
    status, page = client.call("GET", f"{ROOT}/{name}", params={"count": "100"})
    assert (status, page["startIndex"], page["itemsPerPage"]) == (200, 1, 20)
    assert page["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:ListResponse"]
    assert len(page["Resources"]) == min(page["totalResults"], 20)
    first = page["Resources"][0]
    assert client.call("GET", f"{ROOT}/{name}/{first['id']}") == (200, first)
    second = client.call("GET", f"{ROOT}/{name}", params={"startIndex": "2", "count": "1"})[1]["Resources"]
    assert second == page["Resources"][1:2]
    assert client.call("GET", f"{ROOT}/{name}", params={"startIndex": "0"})[1] == page
    assert client.call("GET", f"{ROOT}/{name}", params={"agentId": "a"})[0] == 400
    assert client.call("GET", f"{ROOT}/{name.lower()}")[0] == 404
    assert client.call("GET", f"{ROOT}/{name}/none")[0] == 404


@pytest.mark.parametrize(
    ("expression", "status", "number"),
    [
        ('userName eq "user-3@example.com"', 200, 1),
        ('userName eq "nobody"', 200, 0),
        ("userName eq user-3@example.com", 400, None),
        ('displayName eq "x"', 400, None),
    ],
)
def test_users_can_be_filtered_by_name_alone(client, expression, status, number):
    answer = client.call("GET", f"{ROOT}/Users", params={"filter": expression})
    assert (answer[0], answer[1].get("totalResults")) == (status, number)


def test_members_are_added_and_removed_by_address_or_id_and_twice_is_once(client, group):
    for _ in range(2):
        status, changed = patch(client, group, add("agent-2", "agent-3@example.com"), remove("agent-1"))
        assert (status, changed["members"]) == (200, ["agent-2@example.com", "agent-3@example.com"])
    assert client.sandbox.agent_groups[group] == changed
    assert client.call("GET", "/../../sandbox/agent-groups")[0] == 200


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [add("nobody@example.com")],
        [add("agent-2"), remove("nobody")],
        [{**remove("agent-1"), "value": []}],
        [{"op": "remove", "path": "members", "value": [{"value": "agent-1"}]}],
        [{"op": "replace", "path": "members", "value": []}],
        [{"op": "add", "path": "members", "value": ["agent-2"]}],
        [{"op": "add", "path": "owners", "value": [{"value": "agent-2"}]}],
        ["add"],
    ],
)
def test_a_patch_with_a_wrong_operation_changes_nothing(client, group, operations):
    assert patch(client, group, *operations)[0] == 400
    assert client.sandbox.agent_groups[group]["members"] == ["agent-1@example.com"]


def test_a_patch_is_as_rfc_7644_has_it(client, group):
    assert patch(client, group, add("agent-2"), schemas=None)[0] == 400
    assert patch(client, group, add("agent-2"), schemas=["other"])[0] == 400
    assert patch(client, group, add("agent-2"), more=1)[0] == 400
    assert patch(client, "none", add("agent-2"))[0] == 404


def test_an_agent_that_is_created_with_a_group_is_in_it(client, group):
    agent = {"name": "Ann", "email": "ann@example.com", "available": True, "agentGroupId": group}
    assert client.call("POST", "/agents", agent)[0] == 200
    assert client.sandbox.agent_groups[group]["members"] == ["agent-1@example.com", "ann@example.com"]
    client.sandbox.reset()
    assert group not in client.sandbox.agent_groups


# -- Groups that are written ----------------------------------------------------------------------------------------

GROUP = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Night shift"}
kinds = pytest.mark.parametrize(
    ("path", "records", "stranger"),
    [("Groups", "agent_groups", "user-1@example.com"), ("Usergroups", "user_groups", "x")],
)


def members_of_kind(client, path):
    return [*(client.sandbox.agents if path == "Groups" else client.sandbox.users)]


@kinds
def test_a_group_is_created_replaced_as_a_whole_and_deleted(client, path, records, stranger):
    members, owner = members_of_kind(client, path), next(iter(client.sandbox.users))
    body = {**GROUP, "members": members[:2], "owners": [owner]}
    status, group = client.call("POST", f"{ROOT}/{path}", body)
    assert (status, group) == (201, {**body, "id": group["id"]})
    again = client.call("POST", f"{ROOT}/{path}", body)[1]
    assert again["id"] != group["id"]
    one = f"{ROOT}/{path}/{group['id']}"
    assert client.call("GET", one) == (200, group)
    bare = {**group, "members": [], "owners": []}
    assert client.call("PUT", one, GROUP) == (200, bare)
    assert patch_path(client, one, add(members[3]))[1]["members"] == [members[3]]
    assert client.call("DELETE", one)[0] == 204
    assert client.call("DELETE", one)[0] == 404
    assert client.call("PUT", one, GROUP)[0] == 404
    assert group["id"] not in getattr(client.sandbox, records)


@kinds
@pytest.mark.parametrize(
    "wrong",
    [
        {"schemas": None},
        {"schemas": ["other"]},
        {"displayName": None},
        {"displayName": ""},
        {"members": "x"},
        {"members": [{"value": "agent-1"}]},
        {"members": ["STRANGER"]},
        {"owners": ["agent-1@example.com"]},
        {"more": 1},
    ],
    ids=str,
)
def test_a_group_with_a_wrong_field_is_rejected(client, path, records, stranger, wrong):
    before = getattr(client.sandbox, records)
    wrong = {name: [stranger] if value == ["STRANGER"] else value for name, value in wrong.items()}
    body = {name: value for name, value in {**GROUP, **wrong}.items() if value is not None}
    assert client.call("POST", f"{ROOT}/{path}", body)[0] == 400
    assert client.call("PUT", f"{ROOT}/{path}/{next(iter(before))}", body)[0] == 400
    assert client.call("POST", f"{ROOT}/{path.lower()}", GROUP)[0] == 404
    assert getattr(client.sandbox, records) == before


def test_accounts_are_only_read(client):
    user = next(iter(client.sandbox.users))
    for method, path in (("POST", "Users"), ("PUT", f"Users/{user}"), ("DELETE", f"Users/{user}")):
        assert client.call(method, f"{ROOT}/{path}", GROUP)[0] in (404, 405)


def patch_path(client, path, *operations):
    return client.call("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})
