"""Makes the reference pages: every fact in them is read from the code and its tables."""
