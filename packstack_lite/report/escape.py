"""Escape what a terminal obeys or hides, in text that others wrote.

Node output, file contents, names and values may hold control characters, escape sequences, and characters that turn the
direction of text. Everything that is printed goes through here: ``rich_console``, ``json_output``, ``run_log``, and
``cli.echo`` for what click prints.
"""

from __future__ import annotations

import re

# Unicode's categories Cc (but tab and newline), Cf, Cs, Zl and Zp: controls, invisible format characters such as bidi
# overrides, halves of surrogate pairs, line and paragraph separators.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u2064\u2066-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)


def escape_text(text: str) -> str:
    r"""Return the text with such characters as ``\x1b``, ``\u202e`` or ``\U000e0041``."""
    return _UNPRINTABLE.sub(lambda match: _escape(ord(match.group())), text)


def escape_json(text: str) -> str:
    r"""Return a JSON text with such characters as ``\u001b``: it means the same.

    They occur in its strings alone; a newline that ends the text stays.
    """
    return _UNPRINTABLE.sub(lambda match: _escape_utf16(match.group()), text)


def _escape(code: int) -> str:
    """Return a character's code as Python writes it in a string."""
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _escape_utf16(character: str) -> str:
    """Return a character as JSON escapes it, above U+FFFF as a surrogate pair."""
    data = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[index : index + 2].hex()}" for index in range(0, len(data), 2))
