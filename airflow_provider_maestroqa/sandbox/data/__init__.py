"""The records and exports of an account."""
