"""From a signed URL, or from records, to verified and published files."""
