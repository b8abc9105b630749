"""Statistics pooled over the experiments of each area: docs/methods.md sections 3 to 7."""
