"""The storage host that signed URLs point to."""
