"""Each rendered file names its template in its header."""

from __future__ import annotations

import re

import pytest

from packstack_lite import profiles
from packstack_lite.services._base.templating import name_template, templates_root
from tests.rendered import CASES, files_of_case, text

# Files that no template renders, by the end of their path, each with the reason why it has no header.
WITHOUT_HEADER = {
    "/.ssh/id_ed25519": "a private key: sshd's format has no comments",
    "/.ssh/authorized_keys": "one line, the public key, made from an answer",
    ".keyring": "Ceph's own format, made from an answer",
}
HEADER = re.compile(r"(?:#|%%) Written by packstack-lite from templates/(\S+\.j2)[.:, ]")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("profile", profiles.list_names())
def test_each_rendered_file_names_an_existing_template(profile, case):
    for path, file in files_of_case(profile, case).items():
        if path.endswith(tuple(WITHOUT_HEADER)):
            continue
        match = HEADER.search("\n".join(text(file).split("\n")[:2]))
        assert match, f"{path}: its first two lines do not name its template"
        template = templates_root()
        for part in match.group(1).split("/"):
            template = template / part
        assert template.is_file(), f"{path} names {match.group(1)}, which does not exist"


def test_only_the_first_header_is_completed():
    text_with_two = "# Written by packstack-lite.\n# Written by packstack-lite.\n"
    expected = "# Written by packstack-lite from templates/a/b.j2.\n# Written by packstack-lite.\n"
    assert name_template(text_with_two, "a/b.j2") == expected
    assert name_template("plain\n", "a/b.j2") == "plain\n"
