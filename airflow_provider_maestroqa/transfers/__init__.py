"""Transfers from MaestroQA to storage, and from storage and SQL to MaestroQA."""
