"""RabbitMQ: how the parts of nova and neutron talk to each other."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import RabbitmqUser
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.services._base.context import PORTS, NodeContext, make_tags


def declare(context: NodeContext) -> List[Resource]:
    """The broker on the controller's address, Erlang's own ports on loopback, one account and no guest."""
    files = [
        context.render_file("rabbitmq", "rabbitmq", phase=Phase.PLATFORM, port=PORTS["rabbitmq"]),
        context.render_file("rabbitmq", "rabbitmq-env", phase=Phase.PLATFORM),
        # The broker's unit wants epmd's socket, which starts with it; RDO's starts before the host has its address.
        *context.render_optional_files("rabbitmq", "epmd", "rabbitmq-unit", phase=Phase.PLATFORM),
    ]
    unit = context.declare_unit("rabbitmq", "rabbitmq", watches=files, phase=Phase.PLATFORM)
    account = RabbitmqUser(
        name=str(context["CONFIG_AMQP_AUTH_USER"]),
        password=context.queue_password,
        supports_definitions="rabbitmq-without-definitions" not in context.profile.quirks,
        phase=Phase.DATABASES,
        tags=make_tags("rabbitmq"),
    )
    return [*files, unit, account]
