"""Finds names that a program made up: domain generation, by name and by how many a host asks for."""
