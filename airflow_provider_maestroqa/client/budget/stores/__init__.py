"""Where the log of slots is kept: in this process, in a file, in Redis."""
