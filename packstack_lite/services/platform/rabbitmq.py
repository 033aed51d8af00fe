"""RabbitMQ: the message queue of the services."""

from __future__ import annotations

from typing import List

from packstack_lite.resources import RabbitmqUser
from packstack_lite.resources.base import Phase, Resource
from packstack_lite.resources.rabbitmq_user import QUEUE_ALARM_SH
from packstack_lite.services._base.context import PORTS, NodeContext, make_tags
from packstack_lite.services._base.spec import Port, ServiceSpec

SPEC = ServiceSpec(
    name="rabbitmq",
    after=("mariadb-client",),
    roles=("queue",),
    # 4369 is Erlang's directory of names (epmd), 25672 the port of RabbitMQ's own command line tools.
    ports=(
        Port("rabbitmq", 5672, ("rabbitmq",)),
        Port("epmd", 4369, ("epmd.socket", "rabbitmq")),
        Port("rabbitmq-tools", 25672, ("rabbitmq",)),
    ),
    internal_ports=("4369", "5672", "25672"),
    units=("rabbitmq",),
    user="rabbitmq",
    template_dir="rabbitmq",
)


def declare(context: NodeContext) -> List[Resource]:
    """Declare the broker, with one account instead of ``guest``.

    Erlang's own ports listen on loopback.
    """
    files = [
        context.render_file("rabbitmq", "rabbitmq", phase=Phase.PLATFORM, port=PORTS["rabbitmq"]),
        context.render_file("rabbitmq", "rabbitmq-env", phase=Phase.PLATFORM),
        # Before the package: it enables epmd's socket, on every address. The broker's unit starts it.
        *context.render_optional_files("rabbitmq", "epmd", phase=Phase.PREPARE),
        # RDO's unit starts before the node has its address.
        *context.render_optional_files("rabbitmq", "rabbitmq-unit", phase=Phase.PLATFORM),
    ]
    # With an alarm the broker runs, and every service that sends a message waits without a word.
    ready = f'alarm=$({QUEUE_ALARM_SH}\n)\n[ -z "$alarm" ] || {{ echo "$alarm"; exit 1; }}'
    unit = context.declare_unit("rabbitmq", "rabbitmq", restart_triggers=files, ready=ready, phase=Phase.PLATFORM)
    account = RabbitmqUser(
        name=str(context["CONFIG_AMQP_AUTH_USER"]),
        password=context.queue_password,
        supports_definitions="rabbitmq-without-import-definitions" not in context.profile.quirks,
        phase=Phase.DATABASES,
        tags=make_tags("rabbitmq"),
    )
    return [*files, unit, account]
