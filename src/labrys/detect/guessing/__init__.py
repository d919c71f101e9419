"""Finds password guessing: brute force, spraying, and the guess that was right."""
