"""Files and query results as records to push, read one at a time."""
