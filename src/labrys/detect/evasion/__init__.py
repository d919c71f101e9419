"""Evasions: command lines written so that rules about them do not match."""
