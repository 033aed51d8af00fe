"""The options that all verbs share, wherever they stand: before the verb or after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Set, TypeVar

import click

from packstack_lite.answers import PARAMETERS, Parameter
from packstack_lite.sandbox import DEFAULT_DISTRO

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_SANDBOX = "aio"


@dataclass
class Options:
    """What was said on the command line, whichever verb it was said to.

    ``flags`` maps Packstack's parameter names to the text given for them, ``settings`` are the
    NAME=VALUE of --set. ``sandbox`` and ``host`` exclude each other; ``distro`` is what a sandbox
    that has to be made runs, ``kind`` how it is made. ``timeout`` is in seconds, for a single step. ``warned`` holds
    the warnings that were printed in this run.
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
    flags: Dict[str, str] = field(default_factory=dict)
    settings: List[str] = field(default_factory=list)
    warned: Set[str] = field(default_factory=set)

    @property
    def is_json(self) -> bool:
        """Whether stdout gets one JSON object."""
        return self.output == "json"


pass_options = click.make_pass_decorator(Options, ensure=True)


def _store(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """A callback that lays the value into the Options of this run; lists grow, the rest is replaced."""

    def store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        options = ctx.ensure_object(Options)
        if isinstance(value, tuple):
            getattr(options, name).extend(value)
        elif value is not None and value is not False:
            setattr(options, name, value)

    return store


def _store_parameter(parameter: Parameter) -> Callable[[click.Context, click.Parameter, Any], None]:
    def store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is not None:
            ctx.ensure_object(Options).flags[parameter.name] = value

    return store


def _option(name: str, *declarations: str, **attributes: Any) -> click.Option:
    attributes.setdefault("default", None)
    return click.Option([*declarations], expose_value=False, callback=_store(name), **attributes)


def common_options(excluding: str = "") -> List[click.Option]:
    """Fresh option objects for one command, less the one named."""
    path_type = click.Path(path_type=Path)
    all_options = [
        _option(
            "answer_files",
            "--answer-file",
            type=path_type,
            multiple=True,
            metavar="FILE",
            help="Answers; may be repeated, later files win.",
        ),
        _option(
            "settings",
            "--set",
            multiple=True,
            metavar="NAME=VALUE",
            help="Answer one parameter; wins over every file.",
        ),
        _option("host", "--host", metavar="[USER@]HOST[:PORT]", help="Deploy on this host, over SSH."),
        _option(
            "sandbox",
            "--sandbox",
            is_flag=False,
            flag_value=DEFAULT_SANDBOX,
            metavar="[NAME]",
            help=f"Deploy on a throw-away host on this machine (default name: {DEFAULT_SANDBOX}).",
        ),
        _option(
            "config_dir",
            "--config-dir",
            type=path_type,
            metavar="DIR",
            help="Your own, such as DIR/nova/nova.conf.",
        ),
        _option("distro", "--distro", metavar="NAME", help=f"What a new sandbox runs (default: {DEFAULT_DISTRO})."),
        _option("kind", "--kind", metavar="container|machine", help="How a new sandbox is made (default: container)."),
        _option("ssh_key", "--ssh-key", type=path_type, metavar="FILE", help="Private key for SSH."),
        _option(
            "ssh_config", "--ssh-config", type=path_type, metavar="FILE", help="Read this in place of ~/.ssh/config."
        ),
        _option("accept_new", "--accept-new", is_flag=True, help="Take the host key of a host not seen before."),
        _option("ignore", "--ignore", multiple=True, metavar="NAME", help="Go on although this preflight check fails."),
        _option("output", "--output", type=click.Choice(["text", "json"]), help="Form of the result on stdout."),
        _option("color", "--color", type=click.Choice(["auto", "always", "never"]), help="Colours on the terminal."),
        _option("debug", "-d", "--debug", is_flag=True, help="Tell every command and its reply in the log."),
    ]
    return [option for option in all_options if option.name != excluding]


def parameter_options() -> List[click.Option]:
    """One option per parameter of the answers table; hidden, --help-all shows them."""
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
    """Give a command the shared options, and the parameters' flags too unless told otherwise."""

    def decorate(command: F) -> F:
        options = common_options(excluding) + (parameter_options() if with_parameters else [])
        # click.command collects what stands in this attribute, last first.
        existing = getattr(command, "__click_params__", [])
        command.__click_params__ = [*reversed(options), *existing]  # type: ignore[attr-defined]
        return command

    return decorate
