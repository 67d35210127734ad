"""Requests and responses: retry decisions, and the sync and the async client."""
