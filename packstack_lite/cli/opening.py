"""Pass the shared options to ``deployment``.

Used by every verb that works with nodes or their answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ContextManager

from packstack_lite.cli.options import Options
from packstack_lite.cli.terminal import make_callbacks
from packstack_lite.deployment import answer_sources
from packstack_lite.deployment.connection_target import ConnectionTarget, choose_target
from packstack_lite.recommended import set_target_words

if TYPE_CHECKING:
    from packstack_lite.deployment import Deployment


def open_from_options(
    options: Options, require_answers: bool = False, remember: bool = False
) -> ContextManager[Deployment]:
    """Open the deployment that the options describe.

    ``require_answers`` refuses a node whose answers are not known, and invents none. With ``remember`` a later run
    finds these answers again for this machine. Raises UsageError, AnswersError and ConnectError.
    """
    # What works with answers alone does not wait for all that works with nodes.
    from packstack_lite.deployment import open_deployment

    set_target_words(options.target_words)
    return open_deployment(
        options.answer_sources,
        options.node_selection,
        options.connection_options,
        options.run_options,
        make_callbacks(options),
        require_answers=require_answers,
        new_answers=options.new_answers,
        remember=remember,
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
