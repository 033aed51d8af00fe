"""Writes docs/reference.md, and README's list of optional services, from the tool itself: ``make reference``."""

from __future__ import annotations

import textwrap
from itertools import groupby
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple

import click

from packstack_lite import preflight
from packstack_lite.answers import PARAMETERS, Parameter, describe_parameter
from packstack_lite.cli.app import cli
from packstack_lite.errors import ExitCode
from packstack_lite.services._base.spec import ServiceSpec
from packstack_lite.services.registry import SERVICES, SPECS, STORED_KEYS

PAGE = Path(__file__).with_name("reference.md")
START = """\
# Reference

Written from the tool itself by `make reference`; `make unit` fails while it is not of today.
"""


# README's item of optional services, by language: its beginning, what is between two names, its end.
OPTIONAL_SERVICES = {
    "README.md": ("- On demand (`CONFIG_..._INSTALL=y`): ", ", ", "."),
    "README.zh.md": ("- 按需部署（`CONFIG_..._INSTALL=y`）：", "、", "。"),
}


def page() -> str:
    """The whole page."""
    parts = [START, *verbs(), shared(), exit_codes(), checks(), services(), stored_keys(), *parameters()]
    return "\n".join(parts)


def verbs() -> Iterator[str]:
    """Every verb with the options that only it has."""
    yield "## Verbs\n"
    common = {option.name for option in _common()}
    for name, verb in _leaves("packstack-lite", cli):
        own = [param for param in verb.params if param.name not in common and not _hidden(param)]
        arguments = " ".join(_argument(param) for param in own if isinstance(param, click.Argument))
        yield f"### {name} {arguments}".rstrip() + "\n"
        yield f"{_sentence(verb.help)}\n"
        options = [param for param in own if isinstance(param, click.Option)]
        if options:
            yield _options(options)


def shared() -> str:
    """The options that every verb takes."""
    return "## Options of all verbs\n\n" + _options(_common())


def exit_codes() -> str:
    """What the process's exit status tells."""
    return "## Exit codes\n\n" + table(["code", "meaning"], [[str(int(code)), code.meaning] for code in ExitCode])


def checks() -> str:
    """The checks of preflight, whose names --ignore takes."""
    rows = [[f"`{name}`", _sentence(check.__doc__)] for name, check in preflight.CHECKS.items()]
    return "## Checks of preflight\n\n" + table(["name", "what it looks at"], rows)


def services() -> str:
    """Return the table of services, from their specs."""
    heads = ["service", "what it is", "installed by", "roles", "ports for users", "ports between nodes", "databases"]
    return "## Services\n\n" + table(heads, [_service_row(spec) for spec in SPECS])


def stored_keys() -> str:
    """Return the table of keys without which stored data is lost."""
    rows = [[f"`{key.parameter}`", f"`{key.option}` in `{key.path}`", key.data] for _, key in STORED_KEYS]
    return "## Keys of stored data\n\n" + table(["answer to keep", "where the node keeps it", "lost without it"], rows)


def list_optional_services(readme: str, text: str) -> str:
    """Return README's text with the services that are installed on demand."""
    start, separator, end = OPTIONAL_SERVICES[readme]
    names = [spec.name.capitalize() for spec in SPECS if spec.answer and not spec.is_required and spec.apis]
    before, _, after = text.partition(start)
    item = textwrap.fill(f"{start}{separator.join(names)}{end}", 100, subsequent_indent="  ")
    return f"{before}{item}\n- {after.partition(chr(10) + '- ')[2]}"


def _service_row(spec: ServiceSpec) -> List[str]:
    public = [f"{port.number} ({port.name})" for port in spec.listening_ports() if port.is_public]
    internal = [*spec.internal_ports, *(port for ports in spec.group_ports.values() for port in ports)]
    agents = [f"`CONFIG_NEUTRON_L2_AGENT={agent}`" for agent in spec.l2_agents]
    return [
        f"`{spec.name}`",
        _sentence(SERVICES[spec.name].__doc__),
        " or ".join(agents) if agents else f"`{spec.answer}`" if spec.answer else "",
        ", ".join(spec.roles),
        ", ".join(public),
        ", ".join(internal),
        ", ".join(database.schema for database in spec.databases),
    ]


def parameters() -> Iterator[str]:
    """Every parameter of an answer file, by group, in the order of a written file."""
    yield "## Parameters\n"
    yield (
        "Each is a line of an answer file, a flag, a `--set NAME=VALUE` and an environment variable\n"
        "`PACKSTACK_NAME`. *random* defaults are drawn once and kept; *host* is the controller's address.\n"
    )
    for group, members in groupby(PARAMETERS, lambda parameter: parameter.group):
        rows = [[_name(parameter), _default(parameter), describe_parameter(parameter)] for parameter in members]
        yield f"### {group}\n\n" + table(["parameter and flag", "default", "meaning"], rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _leaves(path: str, verb: click.Command) -> List[Tuple[str, click.Command]]:
    found = [(path, verb)] if not isinstance(verb, click.Group) or verb.invoke_without_command else []
    if isinstance(verb, click.Group):
        for name in sorted(verb.commands):
            found += _leaves(f"{path} {name}", verb.commands[name])
    return found


def _common() -> List[click.Option]:
    verbs = [verb for _, verb in _leaves("", cli)]
    plan = cli.commands["plan"]
    names = [{param.name for param in verb.params if not _hidden(param)} for verb in verbs if len(verb.params) > 20]
    every = set.intersection(*names)
    return [param for param in plan.params if param.name in every and isinstance(param, click.Option)]


def _hidden(param: click.Parameter) -> bool:
    return isinstance(param, click.Option) and param.hidden


def _argument(argument: click.Argument) -> str:
    if argument.metavar:
        return argument.metavar
    words = f"{argument.human_readable_name}{'...' if argument.nargs == -1 else ''}"
    return words if argument.required else f"[{words}]"


def _options(options: Sequence[click.Option]) -> str:
    """Not through click's help records: their form differs from release to release."""
    return table(["option", "meaning"], [[f"`{_said(option)}`", _sentence(option.help)] for option in options])


def _said(option: click.Option) -> str:
    choices = f"[{'|'.join(option.type.choices)}]" if isinstance(option.type, click.Choice) else ""
    value = "" if option.is_flag else option.metavar or choices or option.name.upper()
    return f"{', '.join(option.opts)} {value}".rstrip()


def _sentence(text: object) -> str:
    return " ".join(str(text or "").split("\n\n")[0].split())


def _name(parameter: Parameter) -> str:
    flag = f"<br>`--{parameter.flag}`" if parameter.flag else ""
    return f"`{parameter.name}`{flag}"


def _default(parameter: Parameter) -> str:
    special = {"random": "*random*", "address": "*host*", "": ""}
    return special.get(parameter.default, f"`{parameter.default}`")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    for readme in OPTIONAL_SERVICES:
        path = PAGE.parents[1] / readme
        path.write_text(list_optional_services(readme, path.read_text(encoding="utf-8")), encoding="utf-8")
