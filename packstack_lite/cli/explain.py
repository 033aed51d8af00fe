"""``explain``: show where a rendered file, or an option in it, comes from.

No node is needed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Iterator, Sequence, Tuple

import click

from packstack_lite.answers import PARAMETERS_BY_NAME
from packstack_lite.cli import answer_files
from packstack_lite.cli.opening import default_target
from packstack_lite.cli.options import Options, pass_options, shared_options
from packstack_lite.cli.terminal import print_json, print_stderr, stdout_console
from packstack_lite.deployment import answer_sources, explain_rendered_file
from packstack_lite.diagnosis.explanation import FileExplanation, LineExplanation, Source

# Origins as Answers.origin gives them, where a reader needs other words.
_ORIGIN_LABELS = {"profile": "", "answers": "", "random": " (generated)"}


@click.command("explain", short_help="Show where a rendered value comes from; no node needed.")
@click.argument("file_name", metavar="FILE")
@click.argument("option", nargs=-1, metavar="[OPTION]")
@click.option(
    "--node", metavar="NAME", default="", help="Node as the answers name it (default: the first with the file)."
)
@click.option(
    "--profile",
    "profile_name",
    metavar="NAME",
    default="debian12-zed",
    show_default=True,
    help="Distribution and release.",
)
@shared_options()
@pass_options
def explain(options: Options, file_name: str, option: Tuple[str, ...], node: str, profile_name: str) -> None:
    """Show where a rendered file and the lines of an option come from.

    FILE is a path on the node or its unique end (nova.conf). OPTION is NAME, SECTION.NAME or "[SECTION] NAME". Facts
    are samples, because no node is asked. Secrets are shown as ***.
    """
    target = default_target(options)
    answers = answer_sources.resolve_answers(options.answer_sources, target)
    answer_files.print_warnings(options, answers)
    explanation = explain_rendered_file(
        answers, profile_name, file_name, " ".join(option), node, options.config_dir, target.address
    )
    if options.is_json:
        print_json(asdict(explanation))
        return
    console = stdout_console(options)
    for line in _format_explanation(explanation):
        console.print(line, markup=False)
    if any(source.kind == "fact" for line in explanation.lines for source in _line_sources(line)):
        print_stderr(options, "facts are samples: no node was asked")


def _format_explanation(explanation: FileExplanation) -> Iterator[str]:
    """Yield the explanation of a file as lines of text."""
    yield f"{explanation.path} on {explanation.node}"
    if explanation.template:
        yield f"  template  {explanation.template}"
        yield f"  code      {explanation.declared_by}"
    elif not explanation.override:
        yield "  template  none: code writes it"
    yield f"  service   {', '.join(explanation.services)}"
    yield f"  mode      {explanation.mode} {explanation.owner}:{explanation.group}"
    yield f"  restarts  {', '.join(explanation.restarts) or 'nothing'}"
    if explanation.override:
        yield f"  override  {explanation.override}"
    if explanation.other_nodes:
        yield f"  also on   {', '.join(explanation.other_nodes)} (--node NAME)"
    for line in explanation.lines:
        yield ""
        yield from _format_line(line)


def _format_line(line: LineExplanation) -> Iterator[str]:
    """Yield the explanation of one line of a file as lines of text."""
    yield f"line {line.number}{f' [{line.section}]' if line.section else ''}: {line.text}"
    if line.override:
        yield f"  override  {line.override}"
    if line.template_lines:
        called_at = [f", called at {caller}" for caller in line.template_lines[1:]]
        yield f"  template  {line.template_lines[0]}{''.join(called_at)}"
    for condition in line.conditions:
        yield f"  if        {condition.text}  {condition.template_line}"
        yield from (f"              {_format_source(source)}" for source in condition.sources)
    yield from (f"  {_format_source(source)}" for source in line.sources)
    if not line.sources and not line.override:
        yield "  fixed     no answer or fact changes this line"
    for replaced in line.replaces:
        yield f"  replaces  {replaced.text}  {' '.join(replaced.template_lines[:1])}"


def _format_source(source: Source) -> str:
    """Return a Source as ``KIND NAME = VALUE (ORIGIN)``; secrets are masked in it."""
    repeats = "as " if source.origin in PARAMETERS_BY_NAME else ""
    origin = _ORIGIN_LABELS.get(source.origin, f" ({repeats}{source.origin})")
    return f"{source.kind:9} {source.name} = {source.value or 'empty'}{origin}"


def _line_sources(line: LineExplanation) -> Sequence[Source]:
    """Return the sources of a line and of the conditions around it."""
    return [*line.sources, *(source for condition in line.conditions for source in condition.sources)]
