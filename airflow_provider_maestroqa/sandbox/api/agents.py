"""The API's chapter "Agents"."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.account import Account
from airflow_provider_maestroqa.sandbox.request_context import body_parameters
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, reject_if

_EMAIL = Parameter(checks.email, required=True)
_NEW = {
    "name": Parameter(checks.text, required=True),
    "available": Parameter(checks.flag, required=True),
    "email": _EMAIL,
    "agentGroupId": Parameter(checks.text),
    "agentId": Parameter(checks.text),
}

routes = web.RouteTableDef()


@routes.post("/api/v1/agents")
async def _create(request: web.Request) -> web.Response:
    account = state_of(request).account
    agent = await body_parameters(request, _NEW)
    in_use = [name for name in ("email", "agentId") if agent.get(name) in account.agent_keys]
    reject_if(409, "Already in use by another agent", [f"{name} {agent[name]!r}" for name in in_use])
    return web.json_response(account.add_agent(agent))


@routes.post("/api/v1/agents/add-id-to-agent")
async def _add_id(request: web.Request) -> web.Response:
    account = state_of(request).account
    body = await body_parameters(request, {"email": _EMAIL, "agentId": Parameter(checks.text, required=True)})
    email, agent_id = _known(account, body["email"]), body["agentId"]
    if account.agent_keys.get(agent_id) not in (None, account.agent_keys[email]):
        raise APIError(409, f"Already in use by another agent: agentId {agent_id!r}.")
    return web.json_response(account.change_agent(email, agentId=agent_id))


@routes.post("/api/v1/update-agent-availability")
async def _set_availability(request: web.Request) -> web.Response:
    account = state_of(request).account
    body = await body_parameters(request, {"email": _EMAIL, "available": Parameter(checks.flag, required=True)})
    return web.json_response(account.change_agent(_known(account, body["email"]), available=body["available"]))


def _known(account: Account, email: str) -> str:
    if email not in account.agents:
        raise APIError(404, f"There is no agent with the email {email!r}.")
    return email
