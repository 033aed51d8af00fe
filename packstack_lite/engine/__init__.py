"""The engine: probe resources, diff, plan, apply, verify, on one node or several.

Called by ``deployment``.
"""
