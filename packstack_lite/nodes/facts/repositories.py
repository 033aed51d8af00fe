"""The part of a host's facts that is about yum's and dnf's repositories: what their files say."""

from __future__ import annotations

from typing import Any, Dict, Sequence

from packstack_lite.nodes.facts import Repo
from packstack_lite.nodes.facts.key_value import parse_key_values
from packstack_lite.remote.command import Command, Reply

# repo=NAME PATH ENABLED URLS EXCLUDES, parted by tabs. A line that begins with a space goes on with the one before.
_ASK = r"""
for file in /etc/yum.repos.d/*.repo; do
    [ ! -r "$file" ] || awk -v file="$file" '
        function tell() { if (id != "") printf "repo=%s\t%s\t%s\t%s\t%s\n", id, file, enabled, urls, excludes }
        {sub(/\r$/, "")}
        /^[ \t]*([#;].*)?$/ {next}
        /^\[/ {tell(); id = $0; gsub(/^\[|\].*$/, "", id); enabled = 1; urls = excludes = key = ""; next}
        /^[^ \t]/ {key = $0; sub(/[ \t]*=.*/, "", key)}
        {value = $0; if (value ~ /^[^ \t]/) sub(/^[^=]*=/, "", value)}
        {gsub(/[ \t,]+/, " ", value); sub(/^ /, "", value)}
        key == "enabled" {enabled = tolower(value) ~ /^(1|yes|true|on)/ ? 1 : 0}
        key == "baseurl" || key == "mirrorlist" || key == "metalink" {
            gsub(/\/\/[^\/@ ]*@/, "//", value); urls = urls " " value }
        key == "exclude" || key == "excludepkgs" {excludes = excludes " " value}
        END {tell()}' "$file"
done
exit 0
"""


def build_command() -> Command:
    """What to ask. Where there is no yum nothing is told."""
    return Command(_ASK, description="read the repositories")


def parse_facts(replies: Sequence[Reply]) -> Dict[str, Any]:
    """The fields of Facts that the reply fills."""
    lines = [line.split("\t") for line in parse_key_values(replies).get("repo", ())]
    return {
        "repos": tuple(
            Repo(name, path, enabled == "1", tuple(urls.split()), tuple(excludes.split()))
            for name, path, enabled, urls, excludes in lines
        )
    }
