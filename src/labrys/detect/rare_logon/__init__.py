"""Finds logons that are unusual: who comes from where, from which country, with what program."""
