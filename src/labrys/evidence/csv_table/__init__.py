"""Tables of delimited text that no other format knows."""
