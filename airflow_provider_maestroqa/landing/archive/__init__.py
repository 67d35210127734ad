"""ZIP archives, verified member by member."""
