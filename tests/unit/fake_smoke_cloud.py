"""A fake cloud with as much of Nova and Neutron as the smoke test uses: instances that boot at once."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Tuple

from tests.unit.fake_cloud import FakeCloud

ADDRESS = "10.99.0.7"


class FakeSmokeCloud(FakeCloud):
    """A cloud in which an instance is ACTIVE at once, with ADDRESS.

    ``server_states`` replaces what Nova says about it. ``console`` is its console; NAME stands for the instance's name.
    """

    def __init__(self) -> None:
        super().__init__(keep_alive=True)
        self.server_states: Dict[str, Any] = {"status": "ACTIVE"}
        self.console = f"Linux\nSMOKE-READY NAME {ADDRESS}\n"
        self.lists.update({"compute/servers": [], "compute/os-services": [], "network/agents": []})
        self.deleted: List[str] = []

    def catalog(self) -> List[Dict[str, Any]]:
        """Return the catalog without Cinder, whose cases need more than this fake does."""
        return [entry for entry in super().catalog() if entry["type"] != "volumev3"]

    def respond_special(self, method: str, service: str, path: str, body: Any) -> Optional[Tuple[int, Any]]:
        if method == "DELETE":
            self.deleted.append(path)
        if path.endswith("/action"):
            return 200, {"output": self.console.replace("NAME", self.objects("compute/servers")[0]["name"])}
        if path.endswith("/remote-consoles"):
            return 404, {"error": {"message": "no consoles here", "code": 404}}
        one = re.fullmatch(r"(servers|images|floatingips)/([^/]+)", path)
        if path == "servers/detail":
            return 200, {"servers": self.objects("compute/servers")}
        if method == "GET" and one:
            return self.respond_one(service, one[1], one[2])
        return super().respond_special(method, service, path, body)

    def respond_one(self, service: str, kind: str, identity: str) -> Tuple[int, Any]:
        """Return one object; an image has the size of what was uploaded."""
        item = next((item for item in self.objects(f"{service}/{kind}") if item["id"] == identity), None)
        if item is None:
            return 404, {"error": {"message": "not found", "code": 404}}
        if kind == "images":
            return 200, {**item, "size": len(self.uploads.get(identity, b""))}
        return 200, {kind[:-1]: item}

    def post(self, service: str, kind: str, items: List[Dict[str, Any]], item: Dict[str, Any]) -> Tuple[int, Any]:
        if kind == "servers":
            item.update(self.server_states, id=f"server-{len(items)}")
            port = {"device_id": item["id"], "device_owner": "compute:nova", "fixed_ips": [{"ip_address": ADDRESS}]}
            self.objects("network/ports").append({**port, "id": f"port-{len(items)}"})
        if kind == "floatingips":
            item.update(floating_ip_address="198.18.9.100", status="ACTIVE")
        return super().post(service, kind, items, item)
