"""What names and domains pretend to be: look-alike letters, look-alike domains, brands."""
