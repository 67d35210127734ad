"""Operators that push records and request exports."""
