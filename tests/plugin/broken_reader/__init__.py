"""A format as others plug one in, and one that goes wrong."""
