"""Diagnosis of a cloud: ``explain`` says where a rendered value comes from.

Used by ``cli``.
"""
