"""Files and query results as records to push: read one at a time, with the place where each one stands."""
