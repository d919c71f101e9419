"""Amazon S3 server access logs."""
