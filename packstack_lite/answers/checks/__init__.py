"""Check several answers together, one module per subject.

``validation`` runs every check.
"""
