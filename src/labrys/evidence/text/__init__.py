"""Text that no other format knows."""
