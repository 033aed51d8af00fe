"""Copy out of the facts file what a test host's RPMs are made from, to stdout.

    python tests/tools/rdo_facts.py FACTS epoxy-el9 >tests/hosts/data/el9/rdo.json

FACTS is rdo-packages.json, which lies beside the repository and not in it; the copy says where each service's
facts come from, and with what confidence.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict

SERVICES_NOT_DEPLOYED = ("_release", "_index", "heat", "etcd", "epel")
ABOUT_SERVICE = ("packages", "unit_details", "dist_conf_settings", "version", "source", "confidence")
ABOUT_PACKAGE = (
    "name", "units", "units_not_in_post", "config_files", "dist_conf", "httpd_conf", "users", "log_dirs", "requires",
    "provides", "obsoletes", "dirs", "bin", "modes",
)  # fmt: skip


def trimmed(about: Dict[str, Any]) -> Dict[str, Any]:
    """A service's facts without notes, and its packages without what no RPM is made from."""
    packages = [{key: each[key] for key in ABOUT_PACKAGE if each.get(key)} for each in about["packages"]]
    return {**{key: about[key] for key in ABOUT_SERVICE if about.get(key)}, "packages": packages}


def main() -> None:
    """Arguments: the facts file and the key of a release in it."""
    facts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))[sys.argv[2]]
    kept = {name: trimmed(about) for name, about in facts.items() if name not in SERVICES_NOT_DEPLOYED}
    json.dump(kept, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
