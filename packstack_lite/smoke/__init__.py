"""The smoke test: use the deployed cloud from one of its nodes, in cases.

Used by ``deployment``.
"""

from packstack_lite.smoke.runner import run_cases

__all__ = ["run_cases"]
