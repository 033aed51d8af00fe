"""Reading old names of an answer file as today's parameters, with every change on record."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from packstack_lite.answers.conditions import holds
from packstack_lite.answers.history import Past, is_secret, past
from packstack_lite.answers.table import BY_NAME

_OF_THEN = "openvswitch"
_PLUGIN = "CONFIG_NEUTRON_L2_PLUGIN"
_AGENT = "CONFIG_NEUTRON_L2_AGENT"
_MAPPINGS, _OUTSIDE = "CONFIG_NEUTRON_OVS_BRIDGE_MAPPINGS", "CONFIG_NEUTRON_OVS_EXTERNAL_PHYSNET"
_BRIDGE, _DRIVERS = "CONFIG_NEUTRON_L3_EXT_BRIDGE", "CONFIG_NEUTRON_ML2_TYPE_DRIVERS"


@dataclass(frozen=True)
class OldLine:
    """One line of an answer file under an old name."""

    name: str
    text: str
    line: int


@dataclass(frozen=True)
class Change:
    """What became of one line.

    ``kind``: renamed (``now`` is read with ``after``), ignored (today's name stands in the file
    too), overruled (today's name, beside an old one that counted), disagree (with other old
    names of ``now``), idle (counted for nothing in its own release either), removed, replaced
    (a value), added (what older releases did unasked), unknown, repeated, unreadable. ``other``
    is the line that counts instead; ``asked`` whether the line asked for something, or (added) stood in
    the file. ``before`` and ``after`` may be secrets.
    """

    kind: str
    line: int
    name: str
    before: str
    now: str = ""
    after: str = ""
    why: str = ""
    other: int = 0
    asked: bool = False

    @property
    def secret(self) -> bool:
        """Whether ``before`` and ``after`` must not be shown."""
        return self.kind in ("unknown", "unreadable") or is_secret(self.now) or is_secret(self.name)


@dataclass
class Carried:
    """Answers under today's names, what became of each old line, and old names that disagree."""

    answers: Dict[str, Tuple[str, int]]
    changes: List[Change] = field(default_factory=list)
    disagreements: Dict[str, List[OldLine]] = field(default_factory=dict)


def carry(answers: Mapping[str, Tuple[str, int]], said: Sequence[OldLine]) -> Carried:
    """Lay what stands under old names into ``answers`` (today's name to text and line).

    Old names count while today's is not there, and have to agree, as with Packstack. A name of
    the plug-in that the file chooses counts before today's: today's counted for nothing then.
    """
    told = Carried(dict(answers))
    texts = _texts(answers, said)
    offers: Dict[str, List[Tuple[OldLine, str, bool]]] = defaultdict(list)
    for line in said:
        aims = list(_aimed(line.name, line.text, texts))
        for now, text, strong in aims:
            offers[now].append((line, text, strong))
        if not aims:
            told.changes.append(_without_aim(line, texts))
    for now, offered in offers.items():
        _take(told, now, offered)
    if said:
        _switch(told, said[0].line)
        _outside(told)
    return told


def _texts(answers: Mapping[str, Tuple[str, int]], said: Sequence[OldLine]) -> Mapping[str, str]:
    """What conditions see: texts by name, under each name that a line may be read as."""
    texts: Dict[str, str] = defaultdict(str, {name: text for name, (text, _) in answers.items()})
    for line in said:
        name = line.name
        while name in past() and name not in texts:
            texts[name] = line.text
            name = next(iter(past()[name].to), "")
    # The default was openvswitch until ML2 came, and ml2 in the release that wrote both kinds of names.
    if _PLUGIN not in texts:
        texts[_PLUGIN] = "ml2" if any(name.startswith("CONFIG_NEUTRON_ML2_") for name in answers) else "openvswitch"
    return texts


def _aimed(name: str, text: str, texts: Mapping[str, str], strong: bool = False) -> Iterator[Tuple[str, str, bool]]:
    """Today's names that an old line answers, with the text for each and whether it comes first."""
    if name in BY_NAME:
        yield name, text, strong
        return
    old = past()[name]
    if old.when and not (text and holds(old.when, texts)):
        return
    for now, how in old.to.items():
        if holds(how.get("when", ""), texts) and text in how.get("values", {text: text}):
            yield from _aimed(now, how.get("values", {}).get(text, text), texts, strong or bool(old.when))


def _without_aim(line: OldLine, texts: Mapping[str, str]) -> Change:
    end = _end(past()[line.name])
    counted = bool(end.when and line.text) and holds(end.when, texts)
    asked = counted or (end.idle is not None and line.text not in end.idle)
    if end.to and not asked:
        beside = "counted for nothing beside the plug-in that the file chooses" if line.text else "was empty"
        why = end.fate if end.idle else beside
        return Change("idle", line.line, line.name, line.text, why=why)
    return Change("removed", line.line, line.name, line.text, why=end.fate, asked=asked)


def _end(old: Past) -> Past:
    """The last old name on the way from one, through names that were only renamed."""
    following = past().get(next(iter(old.to), ""))
    return _end(following) if following and not old.when else old


def _take(told: Carried, now: str, offered: Sequence[Tuple[OldLine, str, bool]]) -> None:
    counting = [offer for offer in offered if offer[2]] or offered
    weak = [said for said, _, _ in offered if said not in [counted for counted, _, _ in counting]]
    here = told.answers.get(now)
    if here and not counting[0][2]:
        told.changes += [_ignored(said, now, here[1]) for said, _, _ in offered]
        return
    first, text, _ = counting[0]
    if len({text for _, text, _ in counting}) > 1:
        told.disagreements[now] = [said for said, _, _ in counting]
        told.changes += [Change("disagree", said.line, said.name, said.text, now, text) for said, text, _ in counting]
        return
    if here:
        told.changes.append(Change("overruled", here[1], now, here[0], first.name, other=first.line))
    told.answers[now] = (text, first.line)
    told.changes += [Change("renamed", said.line, said.name, said.text, now, text) for said, _, _ in counting]
    told.changes += [_ignored(said, now, first.line) for said in weak]


def _ignored(said: OldLine, now: str, line: int) -> Change:
    return Change("ignored", said.line, said.name, said.text, now, other=line)


def _switch(told: Carried, line: int) -> None:
    """Name the agent in files that speak of networks without it: it was Open vSwitch then, and is OVN today."""
    speaks = any(name.startswith(("CONFIG_NEUTRON_OVS_", "CONFIG_NEUTRON_ML2_")) for name in told.answers)
    if speaks and _AGENT not in told.answers:
        _add(told, _AGENT, _OF_THEN, line, "what older releases took where nothing else was said")


def _outside(told: Carried) -> None:
    """Give the outer network its name and mapping, in files from before it had them (until newton).

    Those releases hung the outer network on its bridge directly; today it is a flat network
    that a mapping leads to that bridge.
    """
    mapped, line = told.answers.get(_MAPPINGS, ("", 0))
    bridge = told.answers.get(_BRIDGE, (BY_NAME[_BRIDGE].default, 0))[0]
    agent = told.answers.get(_AGENT, (_OF_THEN, 0))[0]
    if _OUTSIDE in told.answers or bridge in ("", "provider") or agent != _OF_THEN:
        return
    _add_flat(told)
    if line:
        _map(told, _items(mapped), line, bridge)


def _map(told: Carried, pairs: List[str], line: int, bridge: str) -> None:
    usual = BY_NAME[_OUTSIDE].default
    leads = [pair.partition(":")[0] for pair in pairs if pair.partition(":")[2].strip() == bridge]
    network = leads[0] if leads else usual
    if not leads:
        why = f"the outer network {network} needs a mapping to its bridge today"
        _add(told, _MAPPINGS, ",".join([*pairs, f"{network}:{bridge}"]), line, why)
    if network != usual:
        _add(told, _OUTSIDE, network, line, f"the outer network is the one on {bridge}")


def _add_flat(told: Carried) -> None:
    drivers, line = told.answers.get(_DRIVERS, ("", 0))
    if line and "flat" not in _items(drivers):
        _add(told, _DRIVERS, ",".join([*_items(drivers), "flat"]), line, "the outer network is a flat one today")


def _items(text: str) -> List[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _add(told: Carried, name: str, text: str, line: int, why: str) -> None:
    asked = name in told.answers
    before = told.answers.get(name, ("", line))[0]
    told.answers[name] = (text, line)
    told.changes.append(Change("added", line, name, before, name, text, why, asked=asked))
