"""Interactive mode: a few questions in place of a command line, the plan, and one question more."""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Optional, Tuple

import click

from packstack_lite import sandbox
from packstack_lite.answers import Answers
from packstack_lite.cli import deploy
from packstack_lite.cli.options import DEFAULT_SANDBOX, Options
from packstack_lite.cli.plan import plan_and_print
from packstack_lite.cli.terminal import print_stderr
from packstack_lite.deployment import answer_sources
from packstack_lite.deployment.connection_target import find_own_address, parse_target
from packstack_lite.deployment.run import Deployment
from packstack_lite.errors import ExitCode, UsageError

DESTINATIONS = {
    "sandbox": "a throw-away host on this machine",
    "host": "another machine, over SSH",
    "here": "this very machine",
}
DEFAULT_PASSWORD = "CONFIG_DEFAULT_PASSWORD"
VOLUME_ENCRYPTION = "CONFIG_CINDER_VOLUME_ENCRYPTION"
# What is asked with yes or no, in this order.
SERVICE_QUESTIONS: Tuple[Tuple[str, str], ...] = (
    ("CONFIG_HORIZON_INSTALL", "Horizon, the dashboard"),
    ("CONFIG_CINDER_INSTALL", "Cinder, volumes"),
    ("CONFIG_SWIFT_INSTALL", "Swift, objects"),
    ("CONFIG_BARBICAN_INSTALL", "Barbican, secrets"),
    (VOLUME_ENCRYPTION, "Encrypted volumes"),
    ("CONFIG_PROVISION_DEMO", "A demo project, user, network and image to begin with"),
)
# What has to be wanted before a question makes sense.
REQUIRED_SERVICES: Dict[str, Tuple[str, ...]] = {
    VOLUME_ENCRYPTION: ("CONFIG_CINDER_INSTALL", "CONFIG_BARBICAN_INSTALL")
}


def run_interview(options: Options) -> int:
    """Ask where to and what, write the answer file, show the plan, and carry it out when told to."""
    print_stderr(
        options, "No words, so a few questions; Enter takes what stands in [ ], Ctrl-C leaves everything as it is."
    )
    address = _ask_destination(options)
    earlier_files = answer_sources.find_earlier_answer_files(address) if address else []
    if earlier_files:
        print_stderr(options, f"answers of an earlier run are the defaults: {earlier_files[0]}")
    _ask_services(options, answer_sources.load_answers(options, earlier_files), bool(earlier_files))
    deploy.write_answer_file(options, None, create_sandbox=True)
    # They stand in the file now, and came from no command line.
    options.flags.clear()
    return deploy.deploy_answer_files(options, confirm=confirm_plan)


def confirm_plan(deployment: Deployment) -> bool:
    """Show the plan; whether it is to be carried out."""
    if plan_and_print(deployment, exit_code=True) == ExitCode.SUCCESS or click.confirm("Carry this out?", err=True):
        return True
    files = " ".join(f"--answer-file {path}" for path in deployment.options.answer_files)
    print_stderr(
        deployment.options,
        f"the host is as it was; when you want it: packstack-lite apply {_target_option(deployment)} {files}",
    )
    return False


def _target_option(deployment: Deployment) -> str:
    box = deployment.controller_target.sandbox
    return (
        f"--sandbox={box.name}" if box else f"--host {deployment.options.host or deployment.controller_target.address}"
    )


def _ask_destination(options: Options) -> str:
    """Fill in the host to deploy on; its address, "" for a sandbox that is still to be made."""
    # Sandboxes are made, and even listed, by root alone.
    destinations = [destination for destination in DESTINATIONS if destination != "sandbox" or os.geteuid() == 0]
    print_stderr(options, "; ".join(f"{destination}: {DESTINATIONS[destination]}" for destination in destinations))
    destination = click.prompt("Where to", default=destinations[0], type=click.Choice(destinations), err=True)
    if destination == "here":
        return find_own_address()
    if destination == "host":
        options.host = click.prompt("Which host ([USER@]HOST[:PORT])", value_proc=_check_host, err=True)
        return answer_sources.resolve_address(parse_target(options.host).address)
    options.sandbox = click.prompt("Name of the sandbox", default=DEFAULT_SANDBOX, err=True)
    addresses: List[str] = [box.address for box in sandbox.list_all() if box.name == options.sandbox]
    return addresses[0] if addresses else ""


def _check_host(text: str) -> str:
    try:
        parse_target(text)
    except UsageError as error:
        raise click.UsageError(f"{error.message}; {error.hint}") from error
    return text


def _ask_services(options: Options, answers: Answers, has_earlier_answers: bool) -> None:
    """Ask for what matters; only what is not the default or the earlier answer becomes an answer."""
    agent_parameter = "CONFIG_NEUTRON_L2_AGENT"
    agent = click.prompt(
        "Network", default=answers.text(agent_parameter), type=click.Choice(["ovn", "openvswitch"]), err=True
    )
    _set_if_changed(options, answers, agent_parameter, agent)
    enabled: Dict[str, bool] = {}
    for name, question in SERVICE_QUESTIONS:
        if all(enabled[required] for required in REQUIRED_SERVICES.get(name, ())):
            enabled[name] = click.confirm(question, default=bool(answers[name]), err=True)
            _set_if_changed(options, answers, name, "y" if enabled[name] else "n")
    if not has_earlier_answers:
        _set_if_changed(options, answers, DEFAULT_PASSWORD, _ask_password())


def _ask_password() -> str:
    """Ask for a password twice, as nobody sees it; once if there is to be none."""
    while True:
        question = "One password for everything (Enter: each gets a random one)"
        password = _prompt_hidden(question, value_proc=_check_password)
        if not password or _prompt_hidden("Once more") == password:
            return password
        click.echo("Error: the two are not the same", err=True)


def _prompt_hidden(question: str, value_proc: Optional[Callable[[str], str]] = None) -> str:
    text: str = click.prompt(question, "", hide_input=True, show_default=False, value_proc=value_proc, err=True)
    return text


def _check_password(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise click.UsageError("printable characters, and no space at either end")
    return text


def _set_if_changed(options: Options, answers: Answers, parameter: str, text: str) -> None:
    if text != answers.text(parameter):
        options.flags[parameter] = text
