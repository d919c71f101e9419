"""Detection on evidence that grows: the same as a scan, a piece at a time."""
