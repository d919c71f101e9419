"""Finds hosts that behave as bots do, by what each of several kinds of traffic says a little."""
