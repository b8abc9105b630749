"""What a job took and from what its outputs were made."""
