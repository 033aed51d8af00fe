"""Parse yum's and dnf's repository files, as read from the node.

``SoftwareFacts.repos`` has the result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Tuple

from packstack_lite.nodes.facts.fields import Values, parse_number
from packstack_lite.remote.command import Command


@dataclass(frozen=True)
class Repo:
    """A repository of yum or dnf, which the file at ``path`` declares on ``line``.

    ``urls`` are its baseurl, mirrorlist and metalink, without passwords, their variables not filled in;
    ``excludes`` the patterns of packages that are not taken from it.
    """

    name: str
    path: str
    is_enabled: bool
    urls: Tuple[str, ...]
    excludes: Tuple[str, ...] = ()
    line: int = field(default=0, compare=False)


# repo=NAME PATH ENABLED URLS EXCLUDES LINE, separated by tabs. In the file, a line that begins with a space continues
# the one before.
_SCRIPT = r"""
for file in /etc/yum.repos.d/*.repo; do
    [ ! -r "$file" ] || awk -v file="$file" '
        function print_repo() {
            if (id != "") printf "repo=%s\t%s\t%s\t%s\t%s\t%s\n", id, file, enabled, urls, excludes, first
        }
        {sub(/\r$/, "")}
        /^[ \t]*([#;].*)?$/ {next}
        /^\[/ {print_repo(); first = FNR; id = $0; gsub(/^\[|\].*$/, "", id)}
        /^\[/ {enabled = 1; urls = excludes = key = ""; next}
        /^[^ \t]/ {key = $0; sub(/[ \t]*=.*/, "", key)}
        {value = $0; if (value ~ /^[^ \t]/) sub(/^[^=]*=/, "", value)}
        {gsub(/[ \t,]+/, " ", value); sub(/^ /, "", value)}
        key == "enabled" {enabled = tolower(value) ~ /^(1|yes|true|on)/ ? 1 : 0}
        key == "baseurl" || key == "mirrorlist" || key == "metalink" {
            gsub(/\/\/[^\/@ ]*@/, "//", value); urls = urls " " value }
        key == "exclude" || key == "excludepkgs" {excludes = excludes " " value}
        END {print_repo()}' "$file"
done
exit 0
"""


def build_command() -> Command:
    """Return the command that prints yum's repositories, nothing without yum."""
    return Command(_SCRIPT, description="read the repositories")


def parse_repos(values: Values) -> Tuple[Repo, ...]:
    """Parse the rows of the script. Raises ValueError for a row of another length."""
    return tuple(
        Repo(name, path, enabled == "1", tuple(urls.split()), tuple(excludes.split()), parse_number(line))
        for name, path, enabled, urls, excludes, line in (value.split("\t") for value in values)
    )
