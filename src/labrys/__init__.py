"""labrys turns security evidence into explained incidents, offline."""

__version__ = "0.1.0"
