"""The services that the test nodes with CentOS's layout do not have. Used by unit and e2e tests.

A new service needs no row in the tables of ``tests/hosts``: until it has one, the rehearsals deploy without it.
"""

from __future__ import annotations

from typing import Dict, List, Mapping

from packstack_lite.profiles import Profile
from packstack_lite.services._base.spec import ServiceSpec
from packstack_lite.services.registry import SPECS
from tests.clouds import profile_of
from tests.hosts import el_table

# Each layout, and the profile that is rehearsed on it.
PROFILES: Mapping[str, str] = {"el7": "centos7-train", "el9": "centos9s-epoxy"}


def absent_services(layout: el_table.Layout, profile: Profile) -> List[ServiceSpec]:
    """List the services that an answer adds and whose account no RPM of the layout creates."""
    accounts = {user.name for entry in layout.entries for user in entry.rpm.users}
    return [
        spec
        for spec in SPECS
        if spec.answer and not spec.is_required and spec.user and profile.users.get(spec.user) not in accounts
    ]


def without_absent_services(answers: Mapping[str, str], layout_name: str) -> Dict[str, str]:
    """Return the answers without those that install a service which the layout does not have."""
    absent = absent_services(el_table.load_layout(layout_name), profile_of(PROFILES[layout_name]))
    removed = {spec.answer for spec in absent}
    return {name: text for name, text in answers.items() if name not in removed}
