"""Objects in any storage: read, written, published atomically."""
