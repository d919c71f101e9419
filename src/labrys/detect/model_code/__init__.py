"""Judges what loading a pickled model would look up and call."""
