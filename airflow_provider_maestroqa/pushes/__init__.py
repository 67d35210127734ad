"""Pushes of any number of records: none lost, none doubled, or the error names those in doubt."""
