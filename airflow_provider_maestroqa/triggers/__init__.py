"""Triggers that wait in the triggerer, without a worker."""
