"""Waiting for MaestroQA in the triggerer, without a worker."""
