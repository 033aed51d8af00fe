"""Smoke: the cloud proved by using it, from the controller, each promise one case."""

from packstack_lite.smoke.runner import run_cases

__all__ = ["run_cases"]
