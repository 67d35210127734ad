"""Mirror one escalation by hand: create its ticket, update it, read it back, and delete its duplicate."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG

from airflow_provider_maestroqa.operators.tickets import (
    MaestroQACreateTicketOperator,
    MaestroQADeleteTicketOperator,
    MaestroQAGetTicketsOperator,
    MaestroQAUpdateTicketOperator,
)

# [START howto_escalated_ticket]
with DAG(
    dag_id="maestroqa_escalated_ticket",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    # Whoever triggers the DAG may pass other ids.
    params={"ticket_id": "ESC-1", "duplicate_id": "ESC-1-copy"},
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    create = MaestroQACreateTicketOperator(
        task_id="create",
        ticket={
            "ticket_id": "{{ params.ticket_id }}",
            "type": "phone",
            "subject": "Escalated: the third wrong delivery",
            "agents": ["agent-1@example.com"],
            "link": "https://helpdesk.example.com/escalations/{{ params.ticket_id }}",
            "tags": ["escalation"],
        },
    )
    update = MaestroQAUpdateTicketOperator(
        task_id="update",
        ticket_id="{{ params.ticket_id }}",
        # Other fields stay as they are.
        changes={"status": "Solved", "csat_score": 4},
    )
    read = MaestroQAGetTicketsOperator(
        task_id="read",
        # The result leaves out missing tickets.
        ticket_ids=["{{ params.ticket_id }}", "{{ params.duplicate_id }}"],
    )
    delete = MaestroQADeleteTicketOperator(task_id="delete", ticket_id="{{ params.duplicate_id }}")
    create >> update >> read >> delete
# [END howto_escalated_ticket]
