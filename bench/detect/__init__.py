"""What labrys finds on every labelled set, and what each layer of it adds: `python -m bench detect`."""
