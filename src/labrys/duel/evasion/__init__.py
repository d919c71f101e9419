"""Evasion: the attack is changed until the model no longer detects it."""
