"""The chapters of the API: each module has the ``routes`` of one or more."""
