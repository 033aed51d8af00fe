"""Load the names and values of older Packstack releases, and what became of them.

The data are in ``history.yaml`` and, for names that Packstack itself carries over, in ``old_names`` of the parameter
table. Used by ``rename``, ``messages``, ``migration`` and the resolver.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import yaml

from packstack_lite.answers.parameter_table import CURRENT_NAME_BY_OLD_NAME, PARAMETERS_BY_NAME, YAML_LOADER
from packstack_lite.answers.values import split_list


@dataclass(frozen=True)
class OldParameter:
    """A name that is no longer a parameter; ``history.yaml`` explains the fields.

    ``first_release`` and ``last_release`` are releases of Packstack, "" for a name that none of them wrote.
    """

    name: str
    first_release: str
    last_release: str
    successors: Mapping[str, Mapping[str, Any]]
    condition: str = ""
    inert_values: Optional[Tuple[str, ...]] = None
    explanation: str = ""
    is_secret: bool = False


@dataclass(frozen=True)
class RetiredValue:
    """A value that a parameter no longer accepts, and its replacement.

    ``history.yaml`` explains the fields.
    """

    old_value: str
    new_value: str
    reason: str
    is_error: bool = False


@lru_cache(maxsize=None)
def load_old_parameters() -> Mapping[str, OldParameter]:
    """Return every name of older releases that is no parameter today."""
    old_parameters: Dict[str, OldParameter] = {}
    for entry in _load_history()["names"]:
        inert_values = tuple(entry["inert_values"]) if "inert_values" in entry else None
        for name, releases in entry["releases"].items():
            first_release, last_release = releases or ("", "")
            old_parameters[name] = OldParameter(
                name,
                first_release,
                last_release,
                _parse_successors(entry.get("successors", CURRENT_NAME_BY_OLD_NAME.get(name))),
                inert_values=inert_values,
                condition=entry.get("condition", ""),
                explanation=entry.get("explanation", ""),
                is_secret=entry.get("is_secret", False),
            )
    return old_parameters


@lru_cache(maxsize=None)
def load_old_flags() -> Mapping[str, str]:
    """Return the old names whose options were not spelled like them, by option."""
    flags: Dict[str, str] = _load_history()["flags"]
    return flags


@lru_cache(maxsize=None)
def load_retired_values() -> Mapping[str, Sequence[RetiredValue]]:
    """Return the values that each parameter no longer accepts, by parameter."""
    values_by_name: Dict[str, List[RetiredValue]] = defaultdict(list)
    for entry in _load_history()["values"]:
        values_by_name[entry["name"]].append(
            RetiredValue(entry["old_value"], entry["new_value"], entry["reason"], entry.get("is_error", False))
        )
    return dict(values_by_name)


@lru_cache(maxsize=None)
def _load_history() -> Any:
    """Read ``history.yaml``."""
    text = (resources.files("packstack_lite.answers") / "history.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=YAML_LOADER)


def _parse_successors(successors: Any) -> Mapping[str, Mapping[str, Any]]:
    """Return the successors as a mapping; one name alone has no rules."""
    return {successors: {}} if isinstance(successors, str) else successors or {}


def describe_fate(name: str) -> str:
    """Describe what became of a name of older releases; "" for any other name."""
    old = load_old_parameters().get(name)
    if old is None:
        return ""
    since = f" after {old.last_release}" if old.last_release else ""
    if old.successors:
        return f"is no parameter{since}; its successors: {', '.join(old.successors)}"
    return f"removed{since}{': ' if old.explanation else ''}{old.explanation}"


def is_secret_name(name: str) -> bool:
    """Return whether answers under a current or old name are secrets."""
    if name in PARAMETERS_BY_NAME:
        return PARAMETERS_BY_NAME[name].is_secret
    old_parameter = load_old_parameters().get(name)
    return old_parameter is not None and (
        old_parameter.is_secret or any(is_secret_name(successor) for successor in old_parameter.successors)
    )


def modernize_value(name: str, text: str) -> Optional[RetiredValue]:
    """Replace retired values in an answer; None if it has none.

    ``old_value`` of the result is the whole text, ``new_value`` its replacement.
    """
    rules = load_retired_values().get(name, ())
    is_list = name in PARAMETERS_BY_NAME and PARAMETERS_BY_NAME[name].kind == "list"
    items = list(split_list(text)) if is_list else [text]
    matched_rules = []
    for rule in rules:
        for index, item in enumerate(items):
            if re.fullmatch(rule.old_value, item):
                items[index] = re.sub(f"(?:{rule.old_value})", rule.new_value, item)
                matched_rules.append(rule)
    if not matched_rules:
        return None
    new_value = ",".join(dict.fromkeys(item for item in items if item))
    return RetiredValue(text, new_value, matched_rules[0].reason, any(rule.is_error for rule in matched_rules))
