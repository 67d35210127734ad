"""Cells in the form that warehouses expect: clean CSV and Parquet."""
