"""Google Cloud's network logs."""
