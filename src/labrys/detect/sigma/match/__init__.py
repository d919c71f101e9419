"""The matcher: compiled rules against a table of one shape, by columns and distinct values."""
