"""JSON documents that no other format knows."""
