"""A click group whose verbs and options of parameters are made when used.

``--version``, ``--help`` and the shell's completion answer without the rest of the program.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Dict, Iterator, List, Mapping, MutableMapping, Sequence

import click
from click.shell_completion import CompletionItem

from packstack_lite.cli.options import parameter_options


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name, each imported when it is looked up.

    The command NAME is the attribute NAME of ``packstack_lite.cli.NAME``.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._loaded: Dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = getattr(import_module(f"packstack_lite.cli.{name}"), name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        """Add a command, or replace one."""
        self._names = [*(known for known in self._names if known != name), name]
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        """Remove a command."""
        self._names.remove(name)
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


class LazyGroup(click.Group):
    """A click group with the verbs of ``short_helps``: name → the line of --help.

    ``params`` has no options of parameters until ``add_parameter_options`` is called.
    """

    def __init__(self, *args: Any, short_helps: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.short_helps = short_helps
        self.commands = LazyCommands(list(short_helps))
        self._has_parameter_options = False

    def add_parameter_options(self) -> None:
        """Add one hidden option per parameter, once."""
        if not self._has_parameter_options:
            self._has_parameter_options = True
            self.params = [*self.params, *parameter_options()]

    def add_needed_options(self, args: Sequence[str]) -> None:
        """Add the parameters' options if an argument may be one of them."""
        own_options = {
            "--",
            "--help",
            *(name for param in self.params for name in (*param.opts, *param.secondary_opts)),
        }
        if any(word.startswith("--") and word.partition("=")[0] not in own_options for word in args):
            self.add_parameter_options()

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        """Parse the arguments, with the parameters' options if one may be among them."""
        self.add_needed_options(args)
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs with their short help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(self.short_helps.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> List[CompletionItem]:
        """Complete options and verbs, without importing the verbs."""
        verbs = [name for name in sorted(self.short_helps) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(name, help=self.short_helps[name]) for name in verbs), *options]
