"""Flow control: which runs may start now, which wait, which events start none.

See docs/decisions/0005-flow-control.md.
"""
