"""Requests on their way: what a response means, and the sync and the async client."""
