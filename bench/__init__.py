"""The measuring instrument of Reactor: `python -m bench`. What each figure means: docs/performance.md."""
