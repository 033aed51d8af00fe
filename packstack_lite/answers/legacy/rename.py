"""Read old names as today's parameters, and record every change.

Answers that an old release implied are added. Used by ``reader``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from packstack_lite.answers.conditions import condition_is_met
from packstack_lite.answers.l2_agents import L2_AGENT
from packstack_lite.answers.legacy.history import OldParameter, is_secret_name, load_old_parameters
from packstack_lite.answers.parameter_table import PARAMETERS_BY_NAME
from packstack_lite.answers.values import is_given, is_valid, split_list

_OLD_DEFAULT_AGENT = "openvswitch"
_L2_PLUGIN = "CONFIG_NEUTRON_L2_PLUGIN"
_BRIDGE_MAPPINGS, _EXTERNAL_PHYSNET = "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", "CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET"
_EXTERNAL_BRIDGE, _TYPE_DRIVERS = "CONFIG_NEUTRON_L3_EXT_BRIDGE", "CONFIG_NEUTRON_ML2_TYPE_DRIVERS"


@dataclass(frozen=True)
class OldLine:
    """A line of an answer file under an old name.

    ``text`` is the answer's text, what follows the equals sign.
    """

    name: str
    text: str
    line_number: int


@dataclass(frozen=True)
class LineChange:
    """A change that reading made to one line of an answer file, and the reason.

    ``kind`` is one of
    renamed (read as ``current_name`` with ``new_text``),
    ignored (an old name whose current name is in the file too),
    overruled (a current name that an old name of the file overrides),
    disagree (with other old names of ``current_name``),
    idle (without effect in its own release either),
    removed (the parameter no longer exists),
    replaced (a retired value),
    added (an answer that older releases implied),
    unknown, repeated and unreadable.

    ``other_line_number`` is the line that is used instead. ``was_requested``: the line had an effect or, for
    ``added``, the parameter was in the file. ``old_text`` and ``new_text`` may be secrets (see ``is_secret``).
    """

    kind: str
    line_number: int
    name: str
    old_text: str
    current_name: str = ""
    new_text: str = ""
    reason: str = ""
    other_line_number: int = 0
    was_requested: bool = False

    @property
    def is_secret(self) -> bool:
        """Return whether ``old_text`` and ``new_text`` must not be shown."""
        return self.kind in ("unknown", "unreadable") or is_secret_name(self.current_name) or is_secret_name(self.name)


@dataclass
class RenameResult:
    """Answers under today's names, the changes, and old names that disagree."""

    answers: Dict[str, Tuple[str, int]]
    changes: List[LineChange] = field(default_factory=list)
    disagreements: Dict[str, List[OldLine]] = field(default_factory=dict)


def rename_old_parameters(
    answers: Mapping[str, Tuple[str, int]], old_lines: Sequence[OldLine], is_file: bool = True
) -> RenameResult:
    """Merge the lines under old names into ``answers`` (name to text and line).

    An old name is used if it has an answer and its current name is not in the file; several old names of one parameter
    must agree, as with Packstack. A name of the Neutron plug-in that the file chooses overrides the current name, which
    had no effect in that release. Only to a file (``is_file``) are answers added that its release implied.
    """
    result = RenameResult(dict(answers))
    texts = _condition_texts(answers, old_lines)
    candidates_by_name: Dict[str, List[Tuple[OldLine, str, bool]]] = defaultdict(list)
    for line in old_lines:
        targets = list(_resolve_current_names(line.name, line.text, texts))
        for current_name, text, is_preferred in targets:
            if is_given(line.text, is_secret_name(line.name)):
                candidates_by_name[current_name].append((line, text, is_preferred))
            else:
                result.changes.append(LineChange("idle", line.line_number, line.name, line.text, reason="was empty"))
        if not targets:
            result.changes.append(_describe_dropped_line(line, texts))
    for current_name, candidates in candidates_by_name.items():
        _apply_candidates(result, current_name, candidates)
    if old_lines and is_file:
        _add_l2_agent(result, old_lines[0].line_number)
        _add_external_network(result)
    return result


def _condition_texts(answers: Mapping[str, Tuple[str, int]], old_lines: Sequence[OldLine]) -> Mapping[str, str]:
    """Return the texts that conditions use, under old and current names."""
    texts: Dict[str, str] = defaultdict(str, {name: text for name, (text, _) in answers.items()})
    for line in old_lines:
        name = line.name
        while name in load_old_parameters() and name not in texts:
            texts[name] = line.text
            name = next(iter(load_old_parameters()[name].successors), "")
    # The default plug-in was openvswitch before ML2, and ml2 in the release that wrote both kinds of names.
    if _L2_PLUGIN not in texts:
        texts[_L2_PLUGIN] = "ml2" if any(name.startswith("CONFIG_NEUTRON_ML2_") for name in answers) else "openvswitch"
    return texts


def _resolve_current_names(
    name: str, text: str, texts: Mapping[str, str], is_preferred: bool = False
) -> Iterator[Tuple[str, str, bool]]:
    """Yield the parameters that a line answers.

    Each is (current name, text, whether it overrides a line under the current name).
    """
    if name in PARAMETERS_BY_NAME:
        yield name, text, is_preferred
        return
    old_parameter = load_old_parameters()[name]
    if old_parameter.condition and not (text and condition_is_met(old_parameter.condition, texts)):
        return
    for current_name, rule in old_parameter.successors.items():
        if condition_is_met(rule.get("condition", ""), texts) and text in rule.get("values", {text: text}):
            yield from _resolve_current_names(
                current_name,
                rule.get("values", {}).get(text, text),
                texts,
                is_preferred or bool(old_parameter.condition),
            )


def _describe_dropped_line(line: OldLine, texts: Mapping[str, str]) -> LineChange:
    """Record an old line that no current parameter replaces."""
    last_parameter = _last_old_parameter(load_old_parameters()[line.name])
    text = line.text if is_given(line.text, is_secret_name(line.name)) else ""
    had_effect = bool(last_parameter.condition and text) and condition_is_met(last_parameter.condition, texts)
    was_requested = had_effect or (last_parameter.inert_values is not None and text not in last_parameter.inert_values)
    if last_parameter.successors and not was_requested:
        explanation = "had no effect with the plug-in that the file chooses" if text else "was empty"
        reason = last_parameter.explanation if last_parameter.inert_values else explanation
        return LineChange("idle", line.line_number, line.name, line.text, reason=reason)
    return LineChange(
        "removed",
        line.line_number,
        line.name,
        line.text,
        reason=last_parameter.explanation,
        was_requested=was_requested,
    )


def _last_old_parameter(old_parameter: OldParameter) -> OldParameter:
    """Return the old parameter at the end of a chain of unconditional renames.

    A name of Quantum may lead to one of Neutron, which is old as well. The last one explains what became of it.
    """
    next_parameter = load_old_parameters().get(next(iter(old_parameter.successors), ""))
    return _last_old_parameter(next_parameter) if next_parameter and not old_parameter.condition else old_parameter


def _apply_candidates(result: RenameResult, current_name: str, candidates: Sequence[Tuple[OldLine, str, bool]]) -> None:
    """Choose among the old lines of one current parameter, and record the changes.

    Each candidate is (line, text, whether it overrides a line under the current name).
    """
    winners = [candidate for candidate in candidates if candidate[2]] or candidates
    losers = [old_line for old_line, _, _ in candidates if old_line not in [winner for winner, _, _ in winners]]
    current_answer = result.answers.get(current_name)
    if current_answer and not winners[0][2]:
        result.changes += [_ignored_change(old_line, current_name, current_answer[1]) for old_line, _, _ in candidates]
        return
    first, text, _ = winners[0]
    if len({text for _, text, _ in winners}) > 1:
        result.disagreements[current_name] = [old_line for old_line, _, _ in winners]
        result.changes += [
            LineChange("disagree", old_line.line_number, old_line.name, old_line.text, current_name, text)
            for old_line, text, _ in winners
        ]
        return
    if current_answer:
        result.changes.append(
            LineChange(
                "overruled",
                current_answer[1],
                current_name,
                current_answer[0],
                first.name,
                other_line_number=first.line_number,
            )
        )
    result.answers[current_name] = (text, first.line_number)
    result.changes += [
        LineChange("renamed", old_line.line_number, old_line.name, old_line.text, current_name, text)
        for old_line, _, _ in winners
    ]
    result.changes += [_ignored_change(old_line, current_name, first.line_number) for old_line in losers]


def _ignored_change(old_line: OldLine, current_name: str, line_number: int) -> LineChange:
    """Record an old line that another line overrides."""
    return LineChange(
        "ignored", old_line.line_number, old_line.name, old_line.text, current_name, other_line_number=line_number
    )


def _add_l2_agent(result: RenameResult, line_number: int) -> None:
    """Add the L2 agent to files with network answers but without it.

    The default was Open vSwitch then, and is OVN today.
    """
    has_network_answers = any(
        name.startswith(("CONFIG_NEUTRON_OVS_", "CONFIG_NEUTRON_ML2_")) for name in result.answers
    )
    if has_network_answers and L2_AGENT not in result.answers:
        _add_answer(result, L2_AGENT, _OLD_DEFAULT_AGENT, line_number, "the default of older releases")


def _add_external_network(result: RenameResult) -> None:
    """Add name and mapping of the external network to files until newton.

    Those releases connected the external network to its bridge directly. Today it is a flat network
    that is mapped to the bridge.
    """
    mappings, line_number = result.answers.get(_BRIDGE_MAPPINGS, ("", 0))
    bridge = result.answers.get(_EXTERNAL_BRIDGE, (PARAMETERS_BY_NAME[_EXTERNAL_BRIDGE].default, 0))[0]
    agent = result.answers.get(L2_AGENT, (_OLD_DEFAULT_AGENT, 0))[0]
    is_bridge = is_given(bridge) and bridge != "provider" and is_valid(PARAMETERS_BY_NAME[_EXTERNAL_BRIDGE], bridge)
    if _EXTERNAL_PHYSNET in result.answers or not is_bridge or agent != _OLD_DEFAULT_AGENT:
        return
    _add_flat_type_driver(result)
    if line_number:
        _add_bridge_mapping(result, split_list(mappings), line_number, bridge)


def _add_bridge_mapping(result: RenameResult, pairs: Sequence[str], line_number: int, bridge: str) -> None:
    """Map the external network to ``bridge``, unless some network is mapped to it.

    ``pairs`` are the mappings of the old file, NETWORK:BRIDGE. A network that is mapped to the bridge becomes the
    external one.
    """
    default_network = PARAMETERS_BY_NAME[_EXTERNAL_PHYSNET].default
    mapped_networks = [pair.partition(":")[0] for pair in pairs if pair.partition(":")[2].strip() == bridge]
    network = mapped_networks[0] if mapped_networks else default_network
    if not mapped_networks:
        reason = f"the external network {network} needs a mapping to its bridge today"
        _add_answer(result, _BRIDGE_MAPPINGS, ",".join([*pairs, f"{network}:{bridge}"]), line_number, reason)
    if network != default_network:
        _add_answer(result, _EXTERNAL_PHYSNET, network, line_number, f"the external network is the one on {bridge}")


def _add_flat_type_driver(result: RenameResult) -> None:
    """Add flat to the type drivers of an answer file that sets them without it.

    The external network is a flat network today. The change is recorded for the user.
    """
    drivers, line_number = result.answers.get(_TYPE_DRIVERS, ("", 0))
    if line_number and "flat" not in split_list(drivers):
        _add_answer(
            result,
            _TYPE_DRIVERS,
            ",".join([*split_list(drivers), "flat"]),
            line_number,
            "the external network is a flat network today",
        )


def _add_answer(result: RenameResult, name: str, text: str, line_number: int, reason: str) -> None:
    """Set an answer that the old release implied, and record the change."""
    was_answered = name in result.answers
    old_text = result.answers.get(name, ("", line_number))[0]
    result.answers[name] = (text, line_number)
    result.changes.append(
        LineChange("added", line_number, name, old_text, name, text, reason, was_requested=was_answered)
    )
