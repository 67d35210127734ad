"""What running tasks share."""
