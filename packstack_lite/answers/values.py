"""From the text of an answer to its typed value, or to a sentence that says why not."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable, Dict, Tuple

from packstack_lite.answers.table import Parameter
from packstack_lite.secret import Secret

# Names that Packstack leaves to the host (Puppet facts); the services decide by its facts.
_HOST_DECIDES = re.compile(r"%\{::\w+\}")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")


def value_of(parameter: Parameter, text: str) -> Any:
    """The typed value; raises ValueError with the reason, which never repeats a secret."""
    if not text:
        if parameter.required:
            raise ValueError("must not be empty")
        return _EMPTY.get(parameter.kind, "")
    if _HOST_DECIDES.fullmatch(text):
        return text
    _choose(parameter, text)
    return _KINDS[parameter.kind](text)


def _choose(parameter: Parameter, text: str) -> None:
    given = _list(text) if parameter.kind == "list" else (text,)
    wrong = [word for word in given if parameter.choices and word not in parameter.choices]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not one of {', '.join(parameter.choices)}")


def _boolean(text: str) -> bool:
    if text not in ("y", "n"):
        raise ValueError(f"{text!r} is neither y nor n")
    return text == "y"


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _float(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d*)?", text):
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def _port(text: str) -> int:
    port = _integer(text)
    if not 0 < port < 65536:
        raise ValueError(f"{text} is not a port (1 to 65535)")
    return port


def _cidr(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network such as 198.18.2.0/24") from None
    return text


def _password(text: str) -> Secret:
    if not all(character.isprintable() for character in text):
        raise ValueError("holds a character that cannot be printed")
    return Secret(text)


def _host(text: str) -> str:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        if not _HOST.fullmatch(text) or re.fullmatch(r"[\d.]+", text):
            raise ValueError(f"{text!r} is neither an address nor a host name") from None
    return text.strip("[]")


def _list(text: str) -> Tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _hosts(text: str) -> Tuple[str, ...]:
    return tuple(_host(word) for word in _list(text))


_EMPTY: Dict[str, Any] = {"list": (), "hosts": (), "password": Secret("")}
_KINDS: Dict[str, Callable[[str], Any]] = {
    "string": str,
    "boolean": _boolean,
    "integer": _integer,
    "float": _float,
    "port": _port,
    "cidr": _cidr,
    "password": _password,
    "host": _host,
    "hosts": _hosts,
    "list": _list,
}
