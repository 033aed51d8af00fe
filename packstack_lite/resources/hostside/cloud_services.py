"""Services and agents that report themselves to an API, as BINARY@HOST.

Part of the program cloud_api. Python 2.7 and 3.
"""

# Annotations would be a syntax error in Python 2.7, and so would "raise ... from".
# mypy: ignore-errors
from __future__ import print_function

import time

from cloud_session import Absent, Impossible, Unknown, monotonic_seconds

try:
    from urllib.parse import quote
except ImportError:
    from urllib import quote

# Seconds of all waiting for agents together.
AGENTS_TIMEOUT = 180
# By this reason a hypervisor is recognised that ComputeScheduling disabled.
DISABLED_REASON = "packstack-lite: no longer a compute node in the answers"


class ReportingType(object):
    """A service or agent that reports itself, named BINARY@HOST.

    Writing waits until it reports.
    """

    def __init__(self, service, path, key, field, value):
        """Set where the API lists what reports, and how.

        ``service`` is the API's type in the catalog, ``path`` that of the list, ``key`` the one that holds the list in
        the JSON. What is alive has ``value`` in ``field``.
        """
        self.service, self.path, self.key, self.field, self.value = service, path, key, field, value

    def find(self, cloud, want):
        """Return the service or agent as the API lists it. Raises Absent or Unknown."""
        binary, host = want["name"].split("@", 1)
        return cloud.find(self.service, self.path, self.key, binary=binary, host=host)

    def is_alive(self, item):
        """Return whether the API takes the service or agent for alive."""
        return item[self.field] == self.value

    def read(self, cloud, want):
        """Return {"alive": whether it is}. Raises Absent before its first report."""
        return {"alive": self.is_alive(self.find(cloud, want))}

    def is_removable(self, cloud, want):
        """Return whether to remove it: with "only_dead" in the body not while it lives.

        Then it runs on a node that this run does not reach, and would report itself again.
        """
        item = self.find(cloud, want)
        return not (want["body"].get("only_dead") and self.is_alive(item))

    def remove(self, cloud, want):
        """Delete the service or agent."""
        cloud.send("DELETE", self.service, "%s/%s" % (self.path, self.find(cloud, want)["id"]))

    def write(self, cloud, want):
        """Wait until the service or agent is alive.

        All objects of a run share one deadline; Impossible is raised after it.
        """
        cloud.deadline = cloud.deadline or monotonic_seconds() + AGENTS_TIMEOUT
        while True:
            cloud.drop_lists()
            try:
                if self.read(cloud, want) == want["body"]:
                    return
                error = "reported itself, and no longer does"
            except (Absent, Unknown) as missing:
                error = "does not report itself: %s" % missing
            if monotonic_seconds() > cloud.deadline:
                raise Impossible("%s, after %d seconds" % (error, AGENTS_TIMEOUT))
            time.sleep(0.5)


class ComputeService(ReportingType):
    """A hypervisor's nova-compute. One that ComputeScheduling disabled is not alive."""

    def read(self, cloud, want):
        """Return {"alive": whether it is up, and not disabled by us}."""
        item = self.find(cloud, want)
        return {"alive": self.is_alive(item) and item.get("disabled_reason") != DISABLED_REASON}

    def write(self, cloud, want):
        """Enable the service if we disabled it, and wait until it is up."""
        binary, host = want["name"].split("@", 1)
        for item in cloud.listing(self.service, self.path, self.key):
            is_it = (item["binary"], item["host"]) == (binary, host)
            if is_it and item.get("disabled_reason") == DISABLED_REASON:
                cloud.send("PUT", "compute", "/os-services/enable", json={"host": host, "binary": binary})
        ReportingType.write(self, cloud, want)

    def instances(self, cloud, want):
        """Return the names of the instances on the host."""
        path = "/servers/detail?all_tenants=1&host=" + quote(want["name"].split("@", 1)[1].encode("utf-8"), safe="")
        return sorted(server["name"] for server in cloud.listing("compute", path, "servers"))

    def is_removable(self, cloud, want):
        """Return whether to remove it; with "only_dead" not while it has instances."""
        if not ReportingType.is_removable(self, cloud, want):
            return False
        return not (want["body"].get("only_dead") and self.instances(cloud, want))

    def remove(self, cloud, want):
        """Delete the service, unless there are instances on the host."""
        names = self.instances(cloud, want)
        if names:
            # Nova refuses it too, without their names.
            raise Impossible("instances are on this host: %s; migrate or delete them first" % ", ".join(names))
        ReportingType.remove(self, cloud, want)


class ComputeScheduling(object):
    """The scheduler's use of a hypervisor. Body: status, "disabled".

    Named as its service, BINARY@HOST. Without that service there is nothing to disable.
    """

    def read(self, cloud, want):
        """Return the service's status."""
        try:
            return {"status": REPORTING_TYPES["compute_service"].find(cloud, want)["status"]}
        except Absent:
            return want["body"]

    def write(self, cloud, want):
        """Disable the service for new instances; those on it go on."""
        binary, host = want["name"].split("@", 1)
        body = {"host": host, "binary": binary, "disabled_reason": DISABLED_REASON}
        cloud.send("PUT", "compute", "/os-services/disable-log-reason", json=body)


class ServiceList(object):
    """The services and agents of all APIs, as BINARY@HOST.

    Body: names that are declared, watched, undeclared, dead. It is only read, to find what is listed and not declared,
    and what is dead. "apis" in the parents has the types of the APIs to ask, separated by commas.
    """

    def read(self, cloud, want):
        """Return the names that are not declared, and the dead ones.

        Not those declared as "watched": for them there are objects of their own.
        """
        declared, names, dead = set(want["body"]["declared"]), [], []
        watched = set(want["body"]["watched"])
        for type_ in sorted(REPORTING_TYPES):
            reporting = REPORTING_TYPES[type_]
            if reporting.service not in want["parents"]["apis"].split(","):
                continue
            for item in cloud.listing(reporting.service, reporting.path, reporting.key):
                name = "%s@%s" % (item["binary"], item["host"])
                names.append(name)
                if name not in watched and not reporting.is_alive(item):
                    dead.append(name)
        undeclared = sorted(set(names) - declared)
        return dict(want["body"], undeclared=undeclared, dead=sorted(dead))


REPORTING_TYPES = {
    "compute_service": ComputeService("compute", "/os-services", "services", "state", "up"),
    "network_agent": ReportingType("network", "/agents", "agents", "alive", True),
    "volume_service": ReportingType("volumev3", "/os-services", "services", "state", "up"),
}
