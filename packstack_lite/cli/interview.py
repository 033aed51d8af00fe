"""Interactive mode: ask a few questions, write an answer file, and deploy.

The plan is shown and confirmed first.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Callable, Dict, Optional, Tuple

import click

from packstack_lite import sandbox
from packstack_lite.answers import Answers
from packstack_lite.cli import deploy
from packstack_lite.cli.echo import confirm, echo, prompt
from packstack_lite.cli.options import DEFAULT_SANDBOX, Options
from packstack_lite.cli.plan import plan_and_print
from packstack_lite.cli.terminal import make_callbacks, print_stderr
from packstack_lite.deployment import answer_sources
from packstack_lite.deployment.connection_target import (
    ConnectionTarget,
    find_own_address,
    find_target,
    parse_target,
    sandbox_target,
)
from packstack_lite.deployment.remembered import find_record
from packstack_lite.deployment.sandbox_lifetime import remove_unused_sandbox
from packstack_lite.errors import ExitCode, UsageError
from packstack_lite.recommended import recommend_here

if TYPE_CHECKING:
    from packstack_lite.deployment import Deployment

DESTINATIONS = {
    "sandbox": "a throw-away node on this machine",
    "host": "another machine, over SSH",
    "here": "this machine itself",
}
DEFAULT_PASSWORD = "CONFIG_DEFAULT_PASSWORD"
VOLUME_ENCRYPTION = "CONFIG_CINDER_VOLUME_ENCRYPTION"
# Questions that are answered with yes or no, in this order.
SERVICE_QUESTIONS: Tuple[Tuple[str, str], ...] = (
    ("CONFIG_HORIZON_INSTALL", "Horizon, the dashboard"),
    ("CONFIG_CINDER_INSTALL", "Cinder, volumes"),
    ("CONFIG_SWIFT_INSTALL", "Swift, objects"),
    ("CONFIG_BARBICAN_INSTALL", "Barbican, secrets"),
    (VOLUME_ENCRYPTION, "Encrypted volumes"),
    ("CONFIG_PROVISION_DEMO", "A demo project, user, network and image"),
)
# A question is asked only if these parameters were answered with yes.
REQUIRED_SERVICES: Dict[str, Tuple[str, ...]] = {
    VOLUME_ENCRYPTION: ("CONFIG_CINDER_INSTALL", "CONFIG_BARBICAN_INSTALL")
}


def run_interview(options: Options) -> int:
    """Ask where and what to deploy, write the answer file, and deploy.

    The plan is shown first, and needs a yes.
    """
    print_stderr(
        options, "No options were given, so a few questions; Enter takes the value in [ ], Ctrl-C changes nothing."
    )
    options, target = _ask_destination(options)
    earlier_files = answer_sources.remembered_files(target, find_record(target)) if target else ()
    if earlier_files:
        print_stderr(options, f"answers of an earlier run are the defaults: {earlier_files[0]}")
    defaults = answer_sources.load_answers(replace(options.answer_sources, files=earlier_files))
    flags = {**options.flags, **_ask_services(defaults, bool(earlier_files))}
    with remove_unused_sandbox(options.sandbox, make_callbacks(options).progress):
        written = deploy.write_answer_file(replace(options, flags=flags), None, create_sandbox=True)
        # The file holds the answers now; as flags they would count as given on the command line.
        written = replace(written, flags={})
        return deploy.deploy_answer_files(written, confirm=lambda deployment: confirm_plan(written, deployment))


def confirm_plan(options: Options, deployment: Deployment) -> bool:
    """Show the plan and ask whether to apply it.

    An empty plan is applied without a question.
    """
    if plan_and_print(options, deployment, exit_code=True) == ExitCode.SUCCESS:
        return True
    if confirm("Apply this plan?"):
        return True
    print_stderr(options, f"nothing was changed; to apply it later: {recommend_here('apply')}")
    return False


def _ask_destination(options: Options) -> Tuple[Options, Optional[ConnectionTarget]]:
    """Ask for the machine to deploy to: a sandbox, this machine or an SSH host.

    Returns options that name the machine, and the way to reach it (None for a new sandbox).
    """
    # Only root may create or list sandboxes.
    destinations = [destination for destination in DESTINATIONS if destination != "sandbox" or os.geteuid() == 0]
    print_stderr(options, "; ".join(f"{destination}: {DESTINATIONS[destination]}" for destination in destinations))
    destination = prompt("Where to", default=destinations[0], type=click.Choice(destinations))
    if destination == "here":
        return options, find_target(find_own_address(), options.connection_options)
    if destination == "host":
        host = prompt("Which host ([USER@]HOST[:PORT])", value_proc=_check_host)
        return replace(options, host=host), find_target(host, options.connection_options)
    name = prompt("Name of the sandbox", default=DEFAULT_SANDBOX)
    targets = [sandbox_target(box) for box in sandbox.list_all() if box.name == name]
    return replace(options, sandbox=name), next(iter(targets), None)


def _check_host(text: str) -> str:
    """Return the text if it is ``[user@]host[:port]``.

    Raises click.UsageError, upon which click asks again.
    """
    try:
        parse_target(text)
    except UsageError as error:
        raise click.UsageError(f"{error.message}; {error.hint}") from error
    return text


def _ask_services(defaults: Answers, has_earlier_answers: bool) -> Dict[str, str]:
    """Ask which services to deploy; return the answers that differ from ``defaults``."""
    agent_parameter = "CONFIG_NEUTRON_L2_AGENT"
    answers = {
        agent_parameter: prompt(
            "Network", default=defaults.text(agent_parameter), type=click.Choice(["ovn", "openvswitch"])
        )
    }
    for name, question in SERVICE_QUESTIONS:
        if all(answers[required] == "y" for required in REQUIRED_SERVICES.get(name, ())):
            answers[name] = "y" if confirm(question, default=bool(defaults[name])) else "n"
    if not has_earlier_answers:
        answers[DEFAULT_PASSWORD] = _ask_password()
    return {name: text for name, text in answers.items() if text != defaults.text(name)}


def _ask_password() -> str:
    """Ask for a password twice without showing it; once if it is empty."""
    while True:
        question = "One password for everything (Enter: a random one for each)"
        password = _prompt_hidden(question, value_proc=_check_password)
        if not password or _prompt_hidden("Once more") == password:
            return password
        echo("Error: the two passwords differ", err=True)


def _prompt_hidden(question: str, value_proc: Callable[[str], str] = str) -> str:
    """Ask for a text without showing it; Enter gives an empty one."""
    text: str = prompt(question, "", hide_input=True, show_default=False, value_proc=value_proc)
    return text


def _check_password(text: str) -> str:
    """Return the password if it is valid. Raises click.UsageError."""
    if text != text.strip() or not text.isprintable():
        raise click.UsageError("use printable characters, and no space at either end")
    return text
