"""Mail that does not fit who writes to this mailbox: strangers, borrowed names, changed answers."""
