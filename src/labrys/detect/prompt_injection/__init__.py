"""Text that tries to instruct the assistants that will read it."""
