"""Subcommands of `evoalign`: a module each, whose function `add` adds its parser."""
