"""Tests, intervals and resampling that sessions, encoding and pooled statistics share."""
