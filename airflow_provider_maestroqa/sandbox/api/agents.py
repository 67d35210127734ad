"""The API's chapter "Agents"."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.account import Account
from airflow_provider_maestroqa.sandbox.responses import RefusedError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, body_parameters, refuse

_EMAIL = Parameter(checks.email, required=True)
_NEW = {
    "name": Parameter(checks.text, required=True),
    "available": Parameter(checks.flag, required=True),
    "email": _EMAIL,
    "agentGroupId": Parameter(checks.text),
    "agentId": Parameter(checks.text),
}


def add_routes(app: web.Application) -> None:
    """Put this chapter's operations into the API."""
    app.router.add_post("/api/v1/agents", _create)
    app.router.add_post("/api/v1/agents/add-id-to-agent", _add_id)
    app.router.add_post("/api/v1/update-agent-availability", _set_availability)


async def _create(request: web.Request) -> web.Response:
    account = state_of(request).account
    asked = await body_parameters(request, _NEW)
    taken = [name for name in ("email", "agentId") if asked.get(name) in account.agent_keys]
    refuse(409, "Already in use by another agent", [f"{name} {asked[name]!r}" for name in taken])
    return web.json_response(account.add_agent(asked))


async def _add_id(request: web.Request) -> web.Response:
    account = state_of(request).account
    asked = await body_parameters(request, {"email": _EMAIL, "agentId": Parameter(checks.text, required=True)})
    email = _known(account, asked["email"])
    owner = account.agent_keys.get(asked["agentId"])
    if owner not in (None, account.agent_keys[email]):
        raise RefusedError(409, f"Already in use by another agent: agentId {asked['agentId']!r}.")
    return web.json_response(account.change_agent(email, agentId=asked["agentId"]))


async def _set_availability(request: web.Request) -> web.Response:
    account = state_of(request).account
    asked = await body_parameters(request, {"email": _EMAIL, "available": Parameter(checks.flag, required=True)})
    return web.json_response(account.change_agent(_known(account, asked["email"]), available=asked["available"]))


def _known(account: Account, email: str) -> str:
    if email not in account.agents:
        raise RefusedError(404, f"There is no agent with the email {email!r}.")
    return email
