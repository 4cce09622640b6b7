"""The command line: `reactor …`, one small module a group of commands."""
