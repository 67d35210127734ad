"""What running tasks share: context, saved state, lineage, errors."""
