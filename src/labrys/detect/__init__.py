"""Detection: records become findings; every detector is a folder of the same shape."""
