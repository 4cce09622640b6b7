"""Flows as tools, runs as resources: the Model Context Protocol at `/mcp`. Whatever is asked for goes through the API's
own lines, so guard, roles and what is kept of changes are the same.
"""
