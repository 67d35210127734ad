"""The chapter "Push Bulk CSAT Scores": every POST adds, and the response says what became of each score."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.api.batches import missing_agent, missing_ticket
from airflow_provider_maestroqa.sandbox.data.account import Account, Fields
from airflow_provider_maestroqa.sandbox.request_context import body_parameters, context_of
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, problems_of

MAX_SCORES = 100
_RATING = {
    "comment": Parameter(checks.text),
    "score_label": Parameter(checks.text),
    "min_score": Parameter(checks.whole_number),
    "max_score": Parameter(checks.whole_number),
}
_ANSWER = {"question": Parameter(checks.text, required=True), "score": Parameter(checks.whole_number), **_RATING}


def _check_answers(value: Any) -> str | None:
    if problem := checks.array(value):
        return problem
    for number, answer in enumerate(value):
        if not isinstance(answer, dict):
            return f"[{number}] must be an object"
        if problems := problems_of(answer, _ANSWER) or _off_scale(answer):
            return f"[{number}].{problems[0]}"
    return None


def _off_scale(rating: Fields) -> list[str]:
    low, high = rating.get("min_score", 1), rating.get("max_score", 5)
    if low <= rating.get("score", low) <= high:
        return []
    return [f"score must be from {low} to {high}"]


_SCORE = {
    "submitted_at": Parameter(checks.date, required=True),
    "ticket_id": Parameter(checks.text, required=True),
    "agent_id": Parameter(checks.text),
    "agent_email": Parameter(checks.email),
    "score": Parameter(checks.whole_number, required=True),
    **_RATING,
    "clarifying_answers": Parameter(_check_answers),
}
#: What a result repeats of its score.
_NAMES = ("ticket_id", "agent_id", "agent_email", "submitted_at", "score")

routes = web.RouteTableDef()


@routes.post("/api/v1/create-customer-feedback")
async def _create(request: web.Request) -> web.Response:
    state = state_of(request)
    account = state.account
    scores = (await body_parameters(request, {"data": Parameter(checks.array, required=True)}))["data"]
    if not 0 < len(scores) <= MAX_SCORES:
        raise APIError(400, f"Invalid parameters: data must hold 1 to {MAX_SCORES} scores, not {len(scores)}.")
    faults = {fault.kind: 1 if fault.at is None else fault.at for fault in context_of(request).faults}
    lost = account.sample(scores, faults["lost"]) if "lost" in faults else set()
    results = []
    for position, score in enumerate(scores):
        if position in lost:
            continue
        problem = _problem(account, score)
        if problem is None:
            account.csat_scores.append(score)
        verdict = "Created" if problem is None else f"Failed: {problem}"
        named = {name: score[name] for name in _NAMES if name in score} if isinstance(score, dict) else {}
        results.append(verdict if state.options.csat_results == "texts" else {**named, "status": verdict})
    if state.options.csat_results == "records":
        results = account.shuffled(results)
    results = results[faults.get("unconfirmed", 0) :]
    body = {} if "no_results" in faults else {"total": len(scores), "results": results}
    return web.json_response({"status": "completed", **body}, status=201)


def _problem(account: Account, score: Any) -> str | None:
    """Why a score is not taken; ``None`` when it is."""
    if not isinstance(score, dict):
        return "a score must be an object"
    if problems := problems_of(score, _SCORE) or _off_scale(score):
        return problems[0]
    agents = [score[name] for name in ("agent_id", "agent_email") if name in score]
    if not agents:
        return "agent_id or agent_email is required"
    absent = (missing_agent(account, {"agent_id": agent}) for agent in agents)
    return missing_ticket(account, score) or next(filter(None, absent), None)
