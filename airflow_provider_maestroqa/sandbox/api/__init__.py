"""The chapters of the API."""
