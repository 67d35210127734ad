"""The account that the examples in MaestroQA's API documents speak of: their ids, and dates of their year.

So each example can be run as it is written. What the examples create is not there beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_maestroqa.sandbox.data.coaching_rows import Rows

Fields = dict[str, Any]

#: The year of the dates in the examples of lists.
YEAR = 2023
#: The id of the export in the example that polls.
EXPORT_ID = "THE_EXPORT_ID"
EXPORT_WINDOW = {"startDate": "2018-08-13T00:00:00Z", "endDate": "2018-08-19T00:00:00Z"}
#: The agents whose metrics are pushed.
AGENTS: Sequence[Mapping[str, Any]] = tuple(
    {"name": f"Agent {name}", "agentId": name, "available": True, "email": f"{name}@documents.example.com"}
    for name in ("72999", "456", "agent1234", "agent12345", "this_agent_id")
)
#: The tickets that are read, commented on and measured.
TICKETS: Sequence[Mapping[str, Any]] = tuple(
    {
        "ticket_id": ticket_id,
        "type": "custom helpdesk",
        "subject": "A ticket of the documents",
        "agents": ["this_agent_id"],
        "link": f"https://helpdesk.example.com/tickets/{ticket_id}",
    }
    for ticket_id in (
        *(f"unique_ticket_id_{number}" for number in (1, 2, 3)),
        *("427406478143", "513309837", "your_ticket_id", "1234"),
    )
)
_COACH, _AGENT = "zme7PkariKd5Hb4fT", "72999"
#: Records of each type: their ids, and when they were created.
_COACHING = {
    "todo": {"CGsTFnNi5P8riTHmC": "2023-06-28T16:03:21.089Z", "P9MTc9MogtHZpDKqm": "2023-06-26T21:01:32.469Z"},
    "point": {
        "HHk4xnKwwpYsJHTnq": "2023-06-20T09:30:00.000Z",
        "6Lt3yHNcBBEyMSK8n": "2023-06-21T17:52:36.687Z",
        "Ai37xkEiq2HPy8zXs": "2023-07-10T18:10:09.340Z",
        "B8wj8BptAFzgjWdti": "2023-06-23T19:00:00.861Z",
    },
    "session": {
        "25oWGcmSd34yZRR84": "2023-07-13T16:02:42.255Z",
        "2BNoiJDcthvabPyxC": "2023-06-22T21:09:25.511Z",
        "2BendGuN7JqrKfRGn": "2023-06-03T04:02:13.764Z",
    },
}


def coaching_records(rows: Rows) -> Mapping[str, list[Fields]]:
    """The records of each type that the examples name: sessions as the export gives them, others as lists do.

    :param rows: makes what the examples do not say.
    """

    def record(record_type: str, number: int, record_id: str, created_at: str) -> Fields:
        dates = {"createdAt": created_at, "updatedAt": created_at, "agentId": _AGENT}
        if record_type == "session":
            own = {"_id": record_id, "meetingDate": created_at, "coachId": _COACH, "formCreatorId": _COACH}
            return {**rows.exported_session(number), **dates, **own}
        return {**rows.maker(record_type)(number), **dates, "id": record_id, "creatorId": _COACH}

    return {
        record_type: [record(record_type, number, *item) for number, item in enumerate(dates.items())]
        for record_type, dates in _COACHING.items()
    }
