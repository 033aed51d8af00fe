"""The smoke test: use the deployed cloud from one of its nodes, in cases.

Used by ``deployment``.
"""

from packstack_lite.smoke.runner import ExternalNetwork, run_cases

__all__ = ["ExternalNetwork", "run_cases"]
