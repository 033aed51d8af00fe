"""TCP ports of the services, by name. Every module that connects to a service reads them here."""

from __future__ import annotations

from typing import Dict

# Filled by ``services.registry`` from the specs when the package is imported: this module cannot import the services,
# because they import it. The numbers stand in each service's SPEC.
PORTS: Dict[str, int] = {}
