"""The sensor that waits for an export."""
