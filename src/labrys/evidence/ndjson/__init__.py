"""Records in JSON that no other format knows, one a line."""
