"""Smoke: the cloud proved by using it, from the controller, each promise one case."""

from packstack_lite.smoke.cases import run

__all__ = ["run"]
