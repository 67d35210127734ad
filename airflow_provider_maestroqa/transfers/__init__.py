"""What goes out to storage, and what comes back in from storage and SQL."""
