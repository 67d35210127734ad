"""From a signed URL, or from records, to published files."""
