"""Where the log of slots is stored: in this process, in a file, in Redis."""
