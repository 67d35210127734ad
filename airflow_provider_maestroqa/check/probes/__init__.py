"""The probes: each settles one reading of the API documents, and does no harm."""
