"""The token's request budget: shared by processes, machines and triggers, never exceeded, never wasted.

::

    factory       settings → Budget
    budget        Budget: acquire, pause; performs the steps in threads and event loops
    acquisition   one caller's steps to its slot, as data
    shared_store  what the budgets of one process share: the open store, the queue of polls, a thread
    slot_log      the log of slots, as arithmetic: the only place that decides
    share         what a log takes of the budget when others use the token without counting in it
    limits        limits, margins, the share of polls
    stores/       where the log is kept: memory, memory_log; sqlite, sqlite_file; redis, redis_script; postgres,
                  postgres_connection, postgres_url; log_document, for those that only keep what they are given
"""

from airflow_provider_maestroqa.client.budget.acquisition import BudgetExhaustedError, Wait
from airflow_provider_maestroqa.client.budget.budget import Budget
from airflow_provider_maestroqa.client.budget.factory import budget_key, open_budget
from airflow_provider_maestroqa.client.budget.limits import DEFAULT_LIMITS, Limits
from airflow_provider_maestroqa.client.budget.share import Refusal
from airflow_provider_maestroqa.client.clock import Clock

__all__ = [
    "DEFAULT_LIMITS",
    "Budget",
    "BudgetExhaustedError",
    "Clock",
    "Limits",
    "Refusal",
    "Wait",
    "budget_key",
    "open_budget",
]
