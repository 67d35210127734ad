"""ZIP archives, checked member by member."""
