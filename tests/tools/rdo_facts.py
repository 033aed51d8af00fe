"""Copy the facts that a test host's RPMs are made from to stdout.

    python tests/tools/rdo_facts.py FACTS epoxy-el9 >tests/hosts/data/el9/rdo.json

FACTS is rdo-packages.json, which is not in this repository. The copy keeps the source and confidence of each service's
facts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict

SERVICES_NOT_DEPLOYED = ("_release", "_index", "heat", "etcd", "epel")
SERVICE_FIELDS = ("packages", "unit_details", "dist_conf_settings", "version", "source", "confidence")
PACKAGE_FIELDS = (
    "name", "units", "units_not_in_post", "config_files", "dist_conf", "httpd_conf", "users", "log_dirs", "requires",
    "provides", "obsoletes", "dirs", "bin", "modes",
)  # fmt: skip


def trim_service(service: Dict[str, Any]) -> Dict[str, Any]:
    """Return a service's facts with only the fields that RPMs are made from."""
    packages = [{key: each[key] for key in PACKAGE_FIELDS if each.get(key)} for each in service["packages"]]
    return {**{key: service[key] for key in SERVICE_FIELDS if service.get(key)}, "packages": packages}


def main() -> None:
    """Print the facts of one release; arguments: the facts file and the release's key."""
    facts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))[sys.argv[2]]
    kept = {name: trim_service(service) for name, service in facts.items() if name not in SERVICES_NOT_DEPLOYED}
    json.dump(kept, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
