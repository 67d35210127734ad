"""The storage host that signed URLs lead to."""
