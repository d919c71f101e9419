"""Poisons what a model learns from, and tells what that does with and without guard's checks."""
