"""Let the nodes on the command line win over those of remembered answers.

Used by ``new_answer_file``.
"""

from __future__ import annotations

from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Set

from packstack_lite import answers as answer_api
from packstack_lite.deployment.connection_target import resolve_address
from packstack_lite.deployment.options import AnswerSources
from packstack_lite.errors import UsageError
from packstack_lite.ip_addresses import LOOPBACK_NAMES
from packstack_lite.recommended import recommend


class Conflict(NamedTuple):
    """An answer of a file that names other nodes than the command line."""

    name: str
    origin: str
    text: str
    named_text: str


def select_named_nodes(
    sources: AnswerSources,
    node_answers: Mapping[str, str],
    option: str,
    is_remembered: bool,
    progress: Callable[[str], None],
) -> Dict[str, str]:
    """Return the answers about nodes in which the command line wins over files.

    ``node_answers`` are those that ``option`` (--install-hosts or --allinone) implies; parameters with an override of
    their own are not among the result. Each answer that is replaced is reported to ``progress``. Raises UsageError
    where the files are the user's own (``is_remembered`` is False), because one of the two is a mistake; and where the
    nodes of an earlier run would be left out, because nobody would look after them any longer.
    """
    conflicts = _find_conflicts(sources, node_answers)
    if not conflicts:
        return {}
    settings = " ".join(f"--set {conflict.name}={conflict.named_text}" for conflict in conflicts)
    listed = ", ".join(f"{conflict.name}={conflict.text}" for conflict in conflicts)
    files = ", ".join(map(str, sources.files))
    if not is_remembered:
        raise UsageError(
            f"{conflicts[0].origin}: {listed}, but {option} means"
            f" {', '.join(dict.fromkeys(conflict.named_text for conflict in conflicts))}",
            f"leave {option} out to deploy what the file says; to deploy on the hosts of {option} add {settings}",
        )
    dropped = _hosts(conflict.text for conflict in conflicts) - _hosts(node_answers.values())
    if dropped:
        raise UsageError(
            f"{files}: an earlier run deployed {', '.join(sorted(dropped))} too ({listed}), and {option} does not",
            f"to deploy all nodes again: {recommend('apply', '--answer-file', sources.files[-1])};"
            f" to leave them out from now on add {settings}",
        )
    for conflict in conflicts:
        progress(f"{option} wins over {conflict.origin}: {conflict.name}={conflict.text} is now {conflict.named_text}")
    return {conflict.name: conflict.named_text for conflict in conflicts}


def _find_conflicts(sources: AnswerSources, node_answers: Mapping[str, str]) -> List[Conflict]:
    """Return the answers of the files that name other nodes than ``node_answers``."""
    overrides = answer_api.read_overrides(sources.environment, sources.settings, sources.flags).answers
    given = {}
    for path in sources.files:
        answers = answer_api.read_answer_file(path).answers
        given.update({name: (text, f"{path}:{line}") for name, (text, line) in answers.items()})
    return [
        Conflict(name, origin, text, node_answers[name])
        for name, (text, origin) in given.items()
        if name in node_answers
        and name not in overrides
        and text.strip()
        and _hosts([text]) != _hosts([node_answers[name]])
        and text.strip() not in LOOPBACK_NAMES
    ]


def _hosts(texts: Iterable[str]) -> Set[str]:
    """Return the addresses of the hosts that answers name."""
    return {resolve_address(host.strip()) for text in texts for host in text.split(",") if host.strip()}
