"""Checks what a model is to learn from, before it does: whoever can add to it can teach."""
