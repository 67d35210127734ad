"""Resumable downloads from a signed URL."""
