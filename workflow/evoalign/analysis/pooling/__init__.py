"""Encoding, tuning and prototypes pooled over sessions: docs/methods.md sections 5 to 7."""
