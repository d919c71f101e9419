"""Evidence: bytes become Arrow record batches, one folder for each format."""
