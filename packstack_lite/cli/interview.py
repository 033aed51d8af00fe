"""Interactive mode: a few questions in place of a command line, the plan, and one question more."""

from __future__ import annotations

import os
from typing import Callable, Dict, List, Optional, Tuple

import click

from packstack_lite import answers as room
from packstack_lite import sandbox
from packstack_lite.cli import deploy, sources
from packstack_lite.cli.deployment import Deployment
from packstack_lite.cli.options import DEFAULT_SANDBOX, Options
from packstack_lite.cli.plan import tell
from packstack_lite.cli.target import own_address, parse_host
from packstack_lite.cli.terminal import say
from packstack_lite.errors import ExitCode, UsageFault

PLACES = {
    "sandbox": "a throw-away host on this machine",
    "host": "another machine, over SSH",
    "here": "this very machine",
}
PASSWORD = "CONFIG_DEFAULT_PASSWORD"
ENCRYPTION = "CONFIG_CINDER_VOLUME_ENCRYPTION"
# What is asked with yes or no, in this order.
SERVICES: Tuple[Tuple[str, str], ...] = (
    ("CONFIG_HORIZON_INSTALL", "Horizon, the dashboard"),
    ("CONFIG_CINDER_INSTALL", "Cinder, volumes"),
    ("CONFIG_SWIFT_INSTALL", "Swift, objects"),
    ("CONFIG_BARBICAN_INSTALL", "Barbican, secrets"),
    (ENCRYPTION, "Encrypted volumes"),
    ("CONFIG_PROVISION_DEMO", "A demo project, user, network and image to begin with"),
)
# What has to be wanted before a question makes sense.
ONLY_WITH: Dict[str, Tuple[str, ...]] = {ENCRYPTION: ("CONFIG_CINDER_INSTALL", "CONFIG_BARBICAN_INSTALL")}


def run(options: Options) -> int:
    """Ask where to and what, write the answer file, show the plan, and carry it out when told to."""
    say(options, "No words, so a few questions; Enter takes what stands in [ ], Ctrl-C leaves everything as it is.")
    address = _where(options)
    known = sources.earlier(address) if address else []
    if known:
        say(options, f"answers of an earlier run are the defaults: {known[0]}")
    _what(options, sources.load(options, known), bool(known))
    deploy.write_answers(options, None, make=True)
    # They stand in the file now, and came from no command line.
    options.flags.clear()
    return deploy.from_files(options, agreed=agreed)


def agreed(work: Deployment) -> bool:
    """Show the plan; whether it is to be carried out."""
    if tell(work, exit_code=True) == ExitCode.FINE or click.confirm("Carry this out?", err=True):
        return True
    files = " ".join(f"--answer-file {path}" for path in work.options.answer_files)
    say(work.options, f"the host is as it was; when you want it: packstack-lite apply {_named(work)} {files}")
    return False


def _named(work: Deployment) -> str:
    box = work.target.sandbox
    return f"--sandbox={box.name}" if box else f"--host {work.options.host or work.target.address}"


def _where(options: Options) -> str:
    """Fill in the host to deploy on; its address, "" for a sandbox that is still to be made."""
    # Sandboxes are made, and even listed, by root alone.
    places = [place for place in PLACES if place != "sandbox" or os.geteuid() == 0]
    say(options, "; ".join(f"{place}: {PLACES[place]}" for place in places))
    place = click.prompt("Where to", default=places[0], type=click.Choice(places), err=True)
    if place == "here":
        return own_address()
    if place == "host":
        options.host = click.prompt("Which host ([USER@]HOST[:PORT])", value_proc=_host, err=True)
        return sources.ip_of(parse_host(options.host).address)
    options.sandbox = click.prompt("Name of the sandbox", default=DEFAULT_SANDBOX, err=True)
    there: List[str] = [box.address for box in sandbox.list_all() if box.name == options.sandbox]
    return there[0] if there else ""


def _host(text: str) -> str:
    try:
        parse_host(text)
    except UsageFault as wrong:
        raise click.UsageError(f"{wrong.message}; {wrong.hint}") from wrong
    return text


def _what(options: Options, told: room.Answers, known: bool) -> None:
    """Ask for what matters; only what is not the default or the earlier answer becomes an answer."""
    agent = "CONFIG_NEUTRON_L2_AGENT"
    switch = click.prompt("Network", default=told.text(agent), type=click.Choice(["ovn", "openvswitch"]), err=True)
    _keep(options, told, agent, switch)
    wanted: Dict[str, bool] = {}
    for name, question in SERVICES:
        if all(wanted[other] for other in ONLY_WITH.get(name, ())):
            wanted[name] = click.confirm(question, default=bool(told[name]), err=True)
            _keep(options, told, name, "y" if wanted[name] else "n")
    if not known:
        _keep(options, told, PASSWORD, _one_password())


def _one_password() -> str:
    """Ask for a password twice, as nobody sees it; once if there is to be none."""
    while True:
        question = "One password for everything (Enter: each gets a random one)"
        first = _hidden(question, value_proc=_password)
        if not first or _hidden("Once more") == first:
            return first
        click.echo("Error: the two are not the same", err=True)


def _hidden(question: str, value_proc: Optional[Callable[[str], str]] = None) -> str:
    text: str = click.prompt(question, "", hide_input=True, show_default=False, value_proc=value_proc, err=True)
    return text


def _password(text: str) -> str:
    if text != text.strip() or not text.isprintable():
        raise click.UsageError("printable characters, and no space at either end")
    return text


def _keep(options: Options, told: room.Answers, name: str, text: str) -> None:
    if text != told.text(name):
        options.flags[name] = text
