"""How well generated names and phishing URLs are told from ordinary ones."""
