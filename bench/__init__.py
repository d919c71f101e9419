"""Every figure we publish, measured beside its peers in one run: `python -m bench [NAME…]`."""
