"""Cells as warehouses want them: clean CSV and Parquet."""
