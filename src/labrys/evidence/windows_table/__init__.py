"""Windows events that some tool made a table of."""
