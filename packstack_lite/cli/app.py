"""The command ``packstack-lite``: Packstack's own options, and the verbs.

``main`` is the console script.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Optional, Sequence

import click

from packstack_lite import __version__
from packstack_lite.cli.completion import COMPLETE_VARIABLE
from packstack_lite.cli.echo import echo
from packstack_lite.cli.group import PackstackGroup, show_full_help
from packstack_lite.cli.interrupt import GUARD
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.errors import ExitCode, UsageError
from packstack_lite.recommended import recommend

VERSION_TEXT = f"packstack-lite {__version__} (Python {platform.python_version()})"
# The verbs, each a command of this name in a module of this name, and their lines in --help.
VERBS = {
    "preflight": "Check the nodes before anything is changed.",
    "plan": "Show what apply would change.",
    "apply": "Bring the nodes to their declared state.",
    "verify": "Report drift from the declared state.",
    "smoke": "Test the cloud by using it.",
    "render": "Write the configs to a directory; no node needed.",
    "explain": "Show where a rendered value comes from; no node needed.",
    "answers": "Show, compare and convert answers.",
    "sandbox": "Manage throw-away nodes on this machine.",
    "completion": "Print a shell completion script.",
}
HELP_HINT = f"{recommend('--help')} lists options and verbs; to try it out: {recommend('--allinone', '--sandbox')}"


@click.command(
    "packstack-lite",
    cls=PackstackGroup,
    short_helps=VERBS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Every parameter of an answer file is also an option: --help-all.",
)
@click.option("--allinone", is_flag=True, help="Deploy everything on one node: this machine, --host or --sandbox.")
@click.option("--install-hosts", metavar="HOST", help="Deploy everything on this host, over SSH.")
@click.option(
    "--gen-answer-file", type=click.Path(path_type=Path), metavar="FILE", help="Write an answer file; deploy nothing."
)
@click.option(
    "--validate-answer-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check an answer file and report every error.",
)
@click.option("-y", "--dry-run", is_flag=True, help="Show what would change, as plan does.")
@click.option(
    "-t", "--timeout", type=click.IntRange(min=1), metavar="SECONDS", help="Timeout of a single job on a node."
)
@click.option("-o", "--options", "list_all", is_flag=True, help="Print every parameter, as reStructuredText.")
@click.option(
    "--help-all",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_full_help,
    help="Show this help with every parameter.",
)
# Without the number click would look for it in the metadata of all that is installed.
@click.version_option(__version__, message=VERSION_TEXT)
@shared_options(with_parameters=False)
@pass_options
@click.pass_context
def cli(
    ctx: click.Context,
    options: Options,
    allinone: bool,
    install_hosts: Optional[str],
    gen_answer_file: Optional[Path],
    validate_answer_file: Optional[Path],
    dry_run: bool,
    timeout: Optional[int],
    list_all: bool,
) -> int:
    """Deploy OpenStack from one answer file to nodes reached over SSH."""
    options.timeout = timeout
    exclusive_options = {
        "--validate-answer-file": validate_answer_file,
        "--gen-answer-file": gen_answer_file,
        "--allinone": allinone,
        "--install-hosts": install_hosts,
    }
    given_options = [option for option, value in exclusive_options.items() if value]
    if ctx.invoked_subcommand:
        if given_options or dry_run:
            raise UsageError(
                f"{(given_options or ['--dry-run'])[0]} and the verb {ctx.invoked_subcommand} exclude each other",
                HELP_HINT,
            )
        return ExitCode.SUCCESS
    # Not above: --version and --help do not wait for them.
    from packstack_lite.cli import answer_files, deploy

    if list_all:
        return answer_files.print_parameters()
    if len(given_options) > 1 and given_options[0] != "--gen-answer-file":
        raise UsageError(f"{given_options[0]} and {given_options[1]} exclude each other", HELP_HINT)
    if validate_answer_file:
        return answer_files.validate_answer_file(options, validate_answer_file)
    if gen_answer_file:
        return answer_files.generate_answer_file(options, gen_answer_file, install_hosts)
    if allinone or install_hosts:
        return deploy.deploy_new(options, install_hosts, dry_run)
    if options.answer_files:
        return deploy.deploy_answer_files(options, dry_run)
    return _run_without_options(ctx, options)


def _run_without_options(ctx: click.Context, options: Options) -> int:
    """Start the interview on a terminal, otherwise print the help."""
    from packstack_lite.cli import interview
    from packstack_lite.cli.terminal import is_interactive

    from_terminal = any(
        ctx.get_parameter_source(param.name or "") is click.core.ParameterSource.COMMANDLINE
        for param in ctx.command.params
    )
    if from_terminal:
        raise UsageError("nothing to do: add --allinone, --install-hosts, --answer-file or a verb", HELP_HINT)
    if is_interactive():
        return interview.run_interview(options)
    echo(ctx.get_help(), color=ctx.color)
    return ExitCode.SUCCESS


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Run the command line, and exit with one of ExitCode.

    SIGTERM and SIGHUP are treated like Ctrl-C, so that partial work is cleaned up.
    """
    with GUARD:
        cli.main(args=arguments, prog_name="packstack-lite", complete_var=COMPLETE_VARIABLE)
