"""Pass the shared options to ``deployment``.

Used by every verb that works with nodes or their answers.
"""

from __future__ import annotations

from typing import ContextManager

from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import make_callbacks
from packstack_lite.deployment import Deployment, answer_sources, open_deployment
from packstack_lite.deployment.connection_target import ConnectionTarget, choose_target


def open_from_options(
    options: Options, require_answers: bool = False, create_sandbox: bool = False
) -> ContextManager[Deployment]:
    """Open the deployment that the options describe.

    Parameters as for ``open_deployment``.
    """
    return open_deployment(
        options.answer_sources,
        options.node_selection,
        options.connection_options,
        options.run_options,
        make_callbacks(options),
        require_answers=require_answers,
        create_sandbox=create_sandbox,
    )


def default_target(options: Options) -> ConnectionTarget:
    """Return how the controller would be reached.

    It is this machine if neither options nor answers name one.
    """
    return choose_target(
        options.node_selection,
        options.connection_options,
        make_callbacks(options),
        answer_sources.find_controller(options.answer_sources),
        allow_local=True,
    )
