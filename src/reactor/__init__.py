"""Reactor: a self-hosted, event-driven workflow engine."""

__version__ = "0.1.0"
