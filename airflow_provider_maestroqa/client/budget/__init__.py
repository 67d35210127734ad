"""The token's request budget: shared by processes, machines and triggers, never exceeded, never wasted.

::

    opening     settings → Budget
    core        Budget: acquire, penalise; carries out the steps in threads and event loops
    waiting     one caller's steps to its slot, as data
    sharing     what the budgets of one process share
    turns       the line of waiting polls in one process
    algorithm   the log of slots, as arithmetic: the only place that decides
    rules       limits, margins, the share of polls
    memory; sqlite, sqlite_file, sqlite_ledger; redis, redis_script   where the log is kept
"""

from airflow_provider_maestroqa.client.budget.acquisition import BudgetExhaustedError, Wait
from airflow_provider_maestroqa.client.budget.budget import Budget
from airflow_provider_maestroqa.client.budget.factory import budget_key, open_budget
from airflow_provider_maestroqa.client.budget.limits import DEFAULT_LIMITS, Limits
from airflow_provider_maestroqa.client.clock import Clock

__all__ = [
    "DEFAULT_LIMITS",
    "Budget",
    "BudgetExhaustedError",
    "Clock",
    "Limits",
    "Wait",
    "budget_key",
    "open_budget",
]
