"""Waiting for MaestroQA."""
