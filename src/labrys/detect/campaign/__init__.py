"""Tells of a mailing in many near copies as one thing; see the README beside this file."""
