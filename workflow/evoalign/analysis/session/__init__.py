"""What one session's preferred unit says, as tables: docs/methods.md sections 2 to 5."""
