"""A file from a signed URL, whole and checked."""
