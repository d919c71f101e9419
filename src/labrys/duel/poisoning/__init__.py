"""Poisons what a model learns from, and tells what that does with and without guard's checks."""

from labrys.duel.poisoning.play import Table, play, table

__all__ = ["Table", "play", "table"]
