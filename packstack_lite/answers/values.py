"""From the text of an answer to its typed value, or to a sentence that says why not."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from typing import Any, Callable, Dict, Sequence, Tuple

from packstack_lite.answers.table import HOST_DECIDES, Parameter
from packstack_lite.secret import Secret

_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
# Packstack's words for the few booleans that it rewrites in the user's file ("True").
_WORDS = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False}


# Characters. A thousand hosts fit in, and whatever is done with a list of so many words is done soon.
LONGEST = 20_000
# No number that OpenStack takes has more digits.
_DIGITS = 18
# Characters of a wrong answer that a sentence repeats.
_REPEATED = 60


class Unwritable(ValueError):
    """An answer that no answer file can hold, wherever it came from."""


def value_of(parameter: Parameter, text: str) -> Any:
    """The typed value; raises ValueError with the reason, which never repeats a secret.

    An empty answer is "", (), Secret("") or, for y/n, no: as Packstack takes it.
    """
    _writable(text)
    if not text:
        if parameter.required:
            raise ValueError("must not be empty")
        return _EMPTY.get(parameter.kind, "")
    if parameter.host_decides and HOST_DECIDES.fullmatch(text):
        return text
    _choose(parameter, text)
    if parameter.lenient:
        return _lenient(text)
    value = _KINDS[parameter.kind](text)
    _formed(parameter, value)
    return value


def empty(parameter: Parameter) -> Any:
    """What an answer of this kind is while there is none."""
    return _EMPTY.get(parameter.kind, "")


def _writable(text: str) -> None:
    """Refuse what no line of an answer file can hold: the parser drops white space at both ends."""
    if len(text) > LONGEST:
        raise Unwritable(f"holds {len(text)} characters, and {LONGEST} are the most")
    if not text.isprintable():
        raise Unwritable("holds a character that cannot be printed, such as a tab or a new line")
    if text != text.strip():
        raise Unwritable("begins or ends with a space, which an answer file cannot hold")


def _choose(parameter: Parameter, text: str) -> None:
    if not parameter.choices:
        return
    given = _list(text) if parameter.kind in ("list", "password") else (text,)
    wrong = [word for word in given if word not in parameter.choices]
    if wrong:
        told = "holds a word that" if parameter.secret else _said(wrong[0])
        raise ValueError(f"{told} is not one of {', '.join(parameter.choices)}")


def _formed(parameter: Parameter, value: Any) -> None:
    items: Sequence[str] = value if isinstance(value, tuple) else (value,)
    wrong = [item for item in items if parameter.pattern and not re.fullmatch(parameter.pattern, item)]
    if wrong:
        raise ValueError(f"{_said(wrong[0])} is not {parameter.form}")


def _said(text: str) -> str:
    """A wrong answer in quotation marks, as much of it as a sentence bears."""
    return repr(text if len(text) <= _REPEATED else f"{text[:_REPEATED]}...")


def _boolean(text: str) -> bool:
    if text not in ("y", "n"):
        raise ValueError(f"{_said(text)} is neither y nor n")
    return text == "y"


def _lenient(text: str) -> bool:
    if text.lower() not in _WORDS:
        raise ValueError(f"{_said(text)} is neither y nor n")
    return _WORDS[text.lower()]


def _integer(text: str) -> int:
    if not re.fullmatch(rf"[+-]?[0-9]{{1,{_DIGITS}}}", text):
        raise ValueError(f"{_said(text)} is not a whole number")
    return int(text)


def _float(text: str) -> float:
    if not re.fullmatch(rf"[0-9]{{1,{_DIGITS}}}(\.[0-9]{{0,{_DIGITS}}})?", text):
        raise ValueError(f"{_said(text)} is not a number")
    return float(text)


def _port(text: str) -> int:
    port = _integer(text)
    if not 0 < port < 65536:
        raise ValueError(f"{_said(text)} is not a port (1 to 65535)")
    return port


def _key(text: str) -> Secret:
    """A Fernet key: either alphabet of base64 is taken, as openssl writes the one and Fernet reads the other."""
    try:
        size = len(base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("is not base64; make one with: openssl rand -base64 32") from None
    if size != 32:
        raise ValueError(f"holds {size} bytes, not 32; make one with: openssl rand -base64 32")
    return Secret(text.translate(str.maketrans("+/", "-_")))


def _cidr(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{_said(text)} is not a network such as 198.18.2.0/24") from None
    return text


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        raise ValueError(f"{_said(text)} is not an address") from None


def _host(text: str) -> str:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        if not _HOST.fullmatch(text) or re.fullmatch(r"[\d.]+", text):
            raise ValueError(f"{_said(text)} is neither an address nor a host name") from None
    return text.strip("[]")


def _list(text: str) -> Tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _hosts(text: str) -> Tuple[str, ...]:
    return tuple(_host(word) for word in _list(text))


_EMPTY: Dict[str, Any] = {"list": (), "hosts": (), "password": Secret(""), "key": Secret(""), "boolean": False}
_KINDS: Dict[str, Callable[[str], Any]] = {
    "string": str,
    "boolean": _boolean,
    "integer": _integer,
    "float": _float,
    "port": _port,
    "cidr": _cidr,
    "ip": _ip,
    "password": Secret,
    "key": _key,
    "host": _host,
    "hosts": _hosts,
    "list": _list,
}
