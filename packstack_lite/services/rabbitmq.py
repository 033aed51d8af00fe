"""RabbitMQ: how the parts of nova and neutron talk to each other."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import MessageUser
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services.cloud import PORTS, Cloud, tags


def declare(cloud: Cloud) -> List[Resource]:
    """The broker on the controller's address, Erlang's own ports on loopback, one account and no guest."""
    files = [
        cloud.file("rabbitmq", "rabbitmq", phase=Phase.PLATFORM, port=PORTS["rabbitmq"]),
        cloud.file("rabbitmq", "rabbitmq-env", phase=Phase.PLATFORM),
        # The broker's unit wants epmd's socket, which starts with it; RDO's starts before the host has its address.
        *cloud.optional("rabbitmq", "epmd", "rabbitmq-unit", phase=Phase.PLATFORM),
    ]
    unit = cloud.unit("rabbitmq", "rabbitmq", watches=files, phase=Phase.PLATFORM)
    account = MessageUser(
        name=str(cloud["CONFIG_AMQP_AUTH_USER"]),
        password=cloud.queue_password,
        definitions="rabbitmq-without-definitions" not in cloud.profile.quirks,
        phase=Phase.DATABASES,
        tags=tags("rabbitmq"),
    )
    return [*files, unit, account]
