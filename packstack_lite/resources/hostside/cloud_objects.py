"""The types of objects in the APIs: accounts, endpoints, flavors, networks.

Services and agents that report themselves are in cloud_services, images in cloud_images.

Part of the program cloud_api. Python 2.7 and 3.
"""

# Annotations would be a syntax error in Python 2.7, and so would "raise ... from".
# mypy: ignore-errors
from __future__ import print_function

from cloud_session import Absent, comparable
from keystoneauth1 import exceptions

try:
    from urllib.parse import quote
except ImportError:
    from urllib import quote


class ObjectType(object):
    """A type of object in an API.

    Objects are found by name in one list, created by one POST, and changed by one PATCH or PUT.
    """

    def __init__(self, service, path, key, query="", update_method="PATCH"):
        """Set how the type is called in its API.

        ``service`` is the API's type in the catalog. ``path`` is that of the list, to which ``query`` is added for
        reading. ``key`` holds one object in the JSON, ``key`` with an "s" the list.
        """
        self.service, self.path, self.key, self.query, self.update_method = service, path, key, query, update_method

    def match(self, cloud, want):
        """Return the values by which the object is found in the list."""
        return {"name": want["name"]}

    def find(self, cloud, want):
        """Return the object as the API lists it. Raises Absent or Unknown."""
        return cloud.find(self.service, self.path + self.query, self.key + "s", **self.match(cloud, want))

    def body(self, cloud, want):
        """Return what is sent. Only the keys of the wanted body are compared."""
        return dict(want["body"], name=want["name"])

    def read(self, cloud, want):
        """Return the object's state, with the keys of the wanted body."""
        item = self.find(cloud, want)
        return {key: item.get(key) for key in want["body"]}

    def write(self, cloud, want):
        """Create the object, or change the keys that differ from the wanted body."""
        body = self.body(cloud, want)
        try:
            item = self.find(cloud, want)
        except Absent:
            cloud.send("POST", self.service, self.path, json={self.key: body})
            return
        wrong = {key: body[key] for key in want["body"] if comparable(item.get(key)) != comparable(body.get(key))}
        if wrong:
            cloud.send(self.update_method, self.service, "%s/%s" % (self.path, item["id"]), json={self.key: wrong})

    def is_removable(self, cloud, want):
        """Return whether there is an object to remove. Raises Absent or Unknown."""
        self.find(cloud, want)
        return True

    def remove(self, cloud, want):
        """Delete the object."""
        cloud.send("DELETE", self.service, "%s/%s" % (self.path, self.find(cloud, want)["id"]))


class User(ObjectType):
    """A user. Body: project or domain, and roles in it.

    A user with a project is in the domain Default. A login tests the password.
    """

    def find(self, cloud, want):
        """Return the user of this name in its domain. Raises Absent or Unknown."""
        path = "%s?domain_id=%s" % (self.path, self.owner(cloud, want))
        return cloud.find(self.service, path, "users", name=want["name"])

    def owner(self, cloud, want):
        """Return the id of the domain that the user is in."""
        return cloud.domain_id(want["body"]["domain"]) if "domain" in want["body"] else "default"

    def scope(self, cloud, want):
        """Return what the roles are in: "project" or "domain", and its id."""
        if "domain" in want["body"]:
            return "domain", self.owner(cloud, want)
        return "project", cloud.project_id(want["body"]["project"])

    def read(self, cloud, want):
        """Return project or domain, the wanted roles there, and the password's state."""
        user, body = self.find(cloud, want), want["body"]
        scope = self.scope(cloud, want)
        granted = self.roles(cloud, user["id"], scope)
        # Further roles are left alone.
        seen = {scope[0]: body[scope[0]], "roles": sorted(granted & set(body["roles"]))}
        if "password" in want["secrets"]:
            seen["password"] = "as answered" if self.can_log_in(cloud, want) else "another"
        return seen

    def roles(self, cloud, user, scope):
        """Return the names of the roles that the user, an id, has in a scope."""
        assignments = cloud.listing("identity", "/role_assignments?include_names=true", "role_assignments")
        return {
            entry["role"]["name"]
            for entry in assignments
            if entry.get("user", {}).get("id") == user and entry["scope"].get(scope[0], {}).get("id") == scope[1]
        }

    def can_log_in(self, cloud, want):
        """Return whether the wanted password is accepted."""
        domain = want["body"].get("domain", "Default")
        try:
            cloud.make_session(want["name"], want["secrets"]["password"], domain, unscoped=True).get_token()
            return True
        except exceptions.Unauthorized:
            return False

    def write(self, cloud, want):
        """Create the user or set its password, and grant missing roles."""
        kind, scope_id = scope = self.scope(cloud, want)
        try:
            user = self.find(cloud, want)
            self.set_password(cloud, want, user["id"])
        except Absent:
            body = dict(want["secrets"], name=want["name"], domain_id=self.owner(cloud, want))
            if kind == "project":
                body["default_project_id"] = scope_id
            user = cloud.send("POST", "identity", "/users", json={"user": body}).json()["user"]
        for name in sorted(set(want["body"]["roles"]) - self.roles(cloud, user["id"], scope)):
            role = cloud.find("identity", "/roles", "roles", name=name)["id"]
            cloud.send("PUT", "identity", "/%ss/%s/users/%s/roles/%s" % (kind, scope_id, user["id"], role))

    def set_password(self, cloud, want, user):
        """Set the wanted password, unless the user can log in with it."""
        if "password" in want["secrets"] and not self.can_log_in(cloud, want):
            body = {"password": want["secrets"]["password"], "enabled": True}
            cloud.send("PATCH", "identity", "/users/" + user, json={"user": body})


class Endpoint(ObjectType):
    """An endpoint of a service. Body: service, interface, url, region."""

    def match(self, cloud, want):
        """Return the query for an endpoint: its service, interface and region."""
        body = want["body"]
        query = {"interface": body["interface"], "region_id": body["region"]}
        return dict(query, service_id=cloud.service_id(body["service"]))

    def read(self, cloud, want):
        """Return the endpoint's service, interface, region and URL."""
        item = self.find(cloud, want)
        state = {"service": want["body"]["service"], "interface": item["interface"], "region": item["region_id"]}
        return dict(state, url=item["url"])

    def write(self, cloud, want):
        """Create the endpoint, or change its URL."""
        body = dict(self.match(cloud, want), url=want["body"]["url"])
        try:
            path, method = "/endpoints/" + self.find(cloud, want)["id"], "PATCH"
        except Absent:
            path, method = "/endpoints", "POST"
        cloud.send(method, "identity", path, json={"endpoint": body})

    def remove(self, cloud, want):
        """Delete the endpoint, and its region once it has no endpoint left."""
        ObjectType.remove(self, cloud, want)
        region = want["body"]["region"]
        in_use = {item["region_id"] for item in cloud.listing("identity", "/endpoints", "endpoints")}
        regions = {item["id"] for item in cloud.listing("identity", "/regions", "regions")}
        if region in regions - in_use:
            cloud.send("DELETE", "identity", "/regions/" + quote(region.encode("utf-8"), safe=""))


class Flavor(ObjectType):
    """A flavor. Changing one deletes it and creates it again."""

    def write(self, cloud, want):
        """Create the flavor; one of that name is deleted first."""
        # The API cannot change a flavor. Servers keep a copy of the old one.
        for item in cloud.listing("compute", self.path + self.query, "flavors"):
            if item["name"] == want["name"]:
                cloud.send("DELETE", "compute", "/flavors/" + item["id"])
        cloud.send("POST", "compute", "/flavors", json={"flavor": self.body(cloud, want)})


class VolumeType(ObjectType):
    """A volume type. Body: extra_specs, and encryption or not.

    Encryption: provider, cipher, key_size, control_location.
    """

    def read(self, cloud, want):
        """Return the type's wanted extra specs and its encryption."""
        item = self.find(cloud, want)
        specs = item.get("extra_specs") or {}
        seen = {"extra_specs": {key: specs.get(key) for key in want["body"]["extra_specs"]}}
        if "encryption" in want["body"]:
            encryption = cloud.get(self.service, "/types/%s/encryption" % item["id"])
            seen["encryption"] = {key: encryption.get(key) for key in want["body"]["encryption"]}
        return seen

    def write(self, cloud, want):
        """Create the volume type or set its extra specs, then its encryption."""
        body = want["body"]
        try:
            item = self.find(cloud, want)
            specs = {"extra_specs": body["extra_specs"]}
            cloud.send("POST", self.service, "/types/%s/extra_specs" % item["id"], json=specs)
        except Absent:
            new_type = {"name": want["name"], "extra_specs": body["extra_specs"]}
            item = cloud.send("POST", self.service, "/types", json={"volume_type": new_type}).json()["volume_type"]
        if "encryption" in body:
            self.encrypt(cloud, item["id"], body["encryption"])

    def encrypt(self, cloud, type_id, wanted):
        """Create the type's encryption, or change it where it differs."""
        # Cinder refuses this while there are volumes of the type: they could no longer be read.
        path = "/types/%s/encryption" % type_id
        current = cloud.get(self.service, path)
        if not current.get("encryption_id"):
            cloud.send("POST", self.service, path, json={"encryption": wanted})
        elif any(current.get(key) != value for key, value in wanted.items()):
            cloud.send("PUT", self.service, "%s/%s" % (path, current["encryption_id"]), json={"encryption": wanted})


class ProjectObject(ObjectType):
    """An object in Neutron that belongs to the project among its parents."""

    def match(self, cloud, want):
        """Return the query for the object: its name and its project."""
        query = {"name": want["name"]}
        if want["parents"].get("project"):
            query["project_id"] = cloud.project_id(want["parents"]["project"])
        return query

    def body(self, cloud, want):
        """Return the request's body: the wanted one, with name and project."""
        return dict(want["body"], **self.match(cloud, want))


class Subnet(ProjectObject):
    """A subnet of the network among its parents."""

    def match(self, cloud, want):
        """Return the query for the subnet: name, project and network."""
        return dict(ProjectObject.match(self, cloud, want), network_id=cloud.network_id(want["parents"]["network"]))


class Router(ProjectObject):
    """A router. Body: external_network, interfaces (names of subnets)."""

    def read(self, cloud, want):
        """Return the router's external network, and which wanted subnets it serves."""
        item = self.find(cloud, want)
        external = (item.get("external_gateway_info") or {}).get("network_id")
        names = {entry["id"]: entry["name"] for entry in cloud.listing("network", "/networks", "networks")}
        # Further subnets are left alone.
        attached = self.attached_subnets(cloud, item["id"]) & set(want["body"]["interfaces"])
        return {"external_network": names.get(external), "interfaces": sorted(attached)}

    def attached_subnets(self, cloud, router):
        """Return the names of the subnets that the router has a port in."""
        names = {entry["id"]: entry["name"] for entry in cloud.listing("network", "/subnets", "subnets")}
        ports = [
            port
            for port in cloud.listing("network", "/ports?device_id=" + router, "ports")
            if "router_interface" in port["device_owner"] or "router_replicated_interface" in port["device_owner"]
        ]
        return {names.get(ip["subnet_id"], "") for port in ports for ip in port["fixed_ips"]}

    def write(self, cloud, want):
        """Create the router, set its external network, and attach missing subnets."""
        gateway = {"external_gateway_info": {"network_id": cloud.network_id(want["body"]["external_network"])}}
        try:
            item = self.find(cloud, want)
        except Absent:
            body = dict(self.match(cloud, want), **gateway)
            item = cloud.send("POST", "network", "/routers", json={"router": body}).json()["router"]
        if self.read(cloud, want)["external_network"] != want["body"]["external_network"]:
            cloud.send("PUT", "network", "/routers/" + item["id"], json={"router": gateway})
        for name in sorted(set(want["body"]["interfaces"]) - self.attached_subnets(cloud, item["id"])):
            subnet = {"subnet_id": cloud.find("network", "/subnets", "subnets", name=name)["id"]}
            cloud.send("PUT", "network", "/routers/%s/add_router_interface" % item["id"], json=subnet)


class SecurityGroupRule(ObjectType):
    """A rule in the default security group of a project."""

    def group(self, cloud, want):
        """Return the project's security group "default", with its rules."""
        # Listing a project's groups creates its default group.
        path = "/security-groups?project_id=" + cloud.project_id(want["parents"]["project"])
        return cloud.find("network", path, "security_groups", name="default")

    def read(self, cloud, want):
        """Return the wanted rule if the group has it. Raises Absent otherwise."""
        wanted = dict({"remote_group_id": None, "remote_ip_prefix": None}, **want["body"])
        for rule in self.group(cloud, want)["security_group_rules"]:
            if all(rule.get(key) == value for key, value in wanted.items()):
                return want["body"]
        raise Absent("no such rule")

    def write(self, cloud, want):
        """Create the rule in the project's security group "default"."""
        body = dict(want["body"], security_group_id=self.group(cloud, want)["id"])
        cloud.send("POST", "network", "/security-group-rules", json={"security_group_rule": body})
