"""Finds process starts that are unusual for a host: which program started which."""
