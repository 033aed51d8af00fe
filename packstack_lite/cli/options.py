"""Define the options that all verbs share, before or after the verb.

``Options`` also builds the values that ``deployment`` takes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Set, TypeVar

import click

from packstack_lite.deployment import AnswerSources, ConnectionOptions, NodeSelection, RunOptions
from packstack_lite.sandbox import DEFAULT_DISTRO

if TYPE_CHECKING:
    from packstack_lite.answers import Parameter
    from packstack_lite.deployment import NewAnswerFile

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_SANDBOX = "aio"
_PATH = click.Path(path_type=Path)


@dataclass
class Options:
    """The shared options of one command line, as click collects them.

    Only ``cli`` knows this class.
    ``flags`` maps parameter names to the text given for them, ``settings`` are the NAME=VALUE of --set. ``timeout``
    is in seconds, for one job; ``parallel`` is a number of nodes. ``warned`` holds the warnings that this run has
    printed. ``new_answers`` is the answer file that --allinone or --install-hosts chose, which is then the only one of
    ``answer_files``.
    """

    answer_files: List[Path] = field(default_factory=list)
    host: Optional[str] = None
    sandbox: Optional[str] = None
    distro: Optional[str] = None
    kind: Optional[str] = None
    ssh_key: Optional[Path] = None
    ssh_config: Optional[Path] = None
    config_dir: Optional[Path] = None
    accept_new: bool = False
    output: str = "text"
    color: str = "auto"
    ignore: List[str] = field(default_factory=list)
    debug: bool = False
    timeout: Optional[int] = None
    parallel: int = RunOptions.parallel
    flags: Dict[str, str] = field(default_factory=dict)
    settings: List[str] = field(default_factory=list)
    warned: Set[str] = field(default_factory=set)
    new_answers: Optional[NewAnswerFile] = None

    @property
    def is_json(self) -> bool:
        """Return whether stdout gets one JSON object."""
        return self.output == "json"

    def with_answer_file(self, path: Path) -> Options:
        """Return a copy with one more answer file, which wins over the others."""
        return replace(self, answer_files=[*self.answer_files, path])

    @property
    def target_words(self) -> List[str]:
        """The options with which another command means the cloud of this run.

        Answer files of earlier runs are found without being named. Passwords are left out.
        """
        words: List[str] = []
        if self.sandbox:
            words += ["--sandbox", self.sandbox]
        elif self.host or self.new_answers:
            words += ["--host", self.host or (self.new_answers.addresses[0] if self.new_answers else "")]
        words += [word for path in self.answer_files if not self.new_answers for word in ("--answer-file", str(path))]
        for name, path in (
            ("--ssh-key", self.ssh_key),
            ("--ssh-config", self.ssh_config),
            ("--config-dir", self.config_dir),
        ):
            words += [name, str(path)] if path else []
        if self.new_answers:
            return words
        # Only a run with nodes asks for these words; --help does not wait for the table of parameters.
        from packstack_lite.answers import PARAMETERS_BY_NAME, read_overrides

        given = read_overrides({}, self.settings, self.flags).answers
        public = {name: text for name, (text, _) in given.items() if not PARAMETERS_BY_NAME[name].is_secret}
        return [*words, *(f"--set={name}={text}" for name, text in public.items())]

    @property
    def answer_sources(self) -> AnswerSources:
        """The sources of answers, this process's environment included."""
        return AnswerSources(tuple(self.answer_files), os.environ, tuple(self.settings), dict(self.flags))

    @property
    def node_selection(self) -> NodeSelection:
        """The controller that the command line names."""
        return NodeSelection(self.host, self.sandbox, self.distro, self.kind)

    @property
    def connection_options(self) -> ConnectionOptions:
        """Return the SSH options of the command line: key, ssh_config, new host keys."""
        return ConnectionOptions(self.ssh_key, self.ssh_config, self.accept_new)

    @property
    def run_options(self) -> RunOptions:
        """Return the options of the run: overrides, ignored checks, job timeout, debug."""
        return RunOptions(self.config_dir, tuple(self.ignore), self.timeout, self.debug, self.parallel)


pass_options = click.make_pass_decorator(Options, ensure=True)


def _store(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a click callback that stores a value in the Options of this run.

    Repeated options extend a list.
    """

    def store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        """Store the option's value in the Options; a repeated option adds to a list."""
        options = ctx.ensure_object(Options)
        if isinstance(value, tuple):
            getattr(options, name).extend(value)
        elif value is not None and value is not False:
            setattr(options, name, value)

    return store


def _store_parameter(parameter: Parameter) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a click callback that stores the text of a parameter's own option."""

    def store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        """Store the flag's value as the parameter's answer, if it was given."""
        if value is not None:
            ctx.ensure_object(Options).flags[parameter.name] = value

    return store


def _option(name: str, *declarations: str, **attributes: Any) -> click.Option:
    """Return a click option whose value goes into the field ``name`` of Options."""
    attributes.setdefault("default", None)
    return click.Option([*declarations], expose_value=False, callback=_store(name), **attributes)


def common_options(excluding: str = "") -> List[click.Option]:
    """Return new click options for one command, without the one named ``excluding``."""
    return [option for option in [*_source_options(), *_behaviour_options()] if option.name != excluding]


def _source_options() -> List[click.Option]:
    """Return the options that name answers, nodes and configuration overrides."""
    distro_help = f"Distribution of a sandbox (default: {DEFAULT_DISTRO})."
    sandbox_help = f"Deploy to a throw-away node on this machine (default name: {DEFAULT_SANDBOX})."
    file_help = "Answer file; may be repeated, later files win."
    setting_help = "Set one parameter; wins over every answer file."
    override_help = "Configuration overrides (DIR/nova/nova.conf)."
    return [
        _option("answer_files", "--answer-file", type=_PATH, multiple=True, metavar="FILE", help=file_help),
        _option("settings", "--set", multiple=True, metavar="NAME=VALUE", help=setting_help),
        _option("host", "--host", metavar="[USER@]HOST[:PORT]", help="Deploy to this host, over SSH."),
        _option("sandbox", "--sandbox", is_flag=False, flag_value=DEFAULT_SANDBOX, metavar="[NAME]", help=sandbox_help),
        _option("config_dir", "--config-dir", type=_PATH, metavar="DIR", help=override_help),
        _option("distro", "--distro", metavar="NAME", help=distro_help),
        _option("kind", "--kind", metavar="container|machine", help="Kind of a new sandbox (default: container)."),
    ]


def _behaviour_options() -> List[click.Option]:
    """Return the options for SSH, ignored preflight checks, and what is printed."""
    config_help = "Read this file instead of ~/.ssh/config."
    parallel_help = f"Nodes at work at once (default: {RunOptions.parallel})."
    ignore_help = "Ignore a failed preflight check (repeatable)."
    return [
        _option("ssh_key", "--ssh-key", type=_PATH, metavar="FILE", help="Private key for SSH."),
        _option("ssh_config", "--ssh-config", type=_PATH, metavar="FILE", help=config_help),
        _option("accept_new", "--accept-new", is_flag=True, help="Accept the host key of an unknown host."),
        _option("ignore", "--ignore", multiple=True, metavar="NAME", help=ignore_help),
        _option("parallel", "--parallel", type=click.IntRange(min=1), metavar="NODES", help=parallel_help),
        _option("output", "--output", type=click.Choice(["text", "json"]), help="Format of the result on stdout."),
        _option("color", "--color", type=click.Choice(["auto", "always", "never"]), help="Colour the output."),
        _option("debug", "-d", "--debug", is_flag=True, help="Log every command and its reply."),
    ]


def parameter_options() -> List[click.Option]:
    """Return one hidden click option per parameter; --help-all shows them."""
    # Reading the table takes as long as all of --version.
    from packstack_lite.answers import PARAMETERS

    return [
        click.Option(
            [f"--{parameter.flag}", parameter.name.lower()],
            expose_value=False,
            callback=_store_parameter(parameter),
            default=None,
            hidden=True,
            metavar="|".join(parameter.choices) or "TEXT",
            help=parameter.help,
        )
        for parameter in PARAMETERS
        if parameter.flag
    ]


def shared_options(excluding: str = "", with_parameters: bool = True) -> Callable[[F], F]:
    """Return a decorator that gives a command the shared options.

    By default these include one hidden option per parameter.
    """

    def decorate(command: F) -> F:
        """Add the shared options to the command, after its own."""
        options = common_options(excluding) + (parameter_options() if with_parameters else [])
        # click.command reads the options from this attribute, last first.
        existing = getattr(command, "__click_params__", [])
        command.__click_params__ = [*reversed(options), *existing]  # type: ignore[attr-defined]
        return command

    return decorate


def split_hosts(install_hosts: Optional[str]) -> List[str]:
    """Split the value of --install-hosts into hosts."""
    return [host.strip() for host in (install_hosts or "").split(",") if host.strip()]
