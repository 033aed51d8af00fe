"""Answers: Packstack's parameters, read, checked, made complete and written."""

from packstack_lite.answers.carrying import Change
from packstack_lite.answers.comparison import Difference, Side, differences
from packstack_lite.answers.effective import host_overrides, load
from packstack_lite.answers.mapping import Answer, Answers
from packstack_lite.answers.migration import Migrated, migrate
from packstack_lite.answers.overrides import said
from packstack_lite.answers.reader import nearest, read
from packstack_lite.answers.retold import sentences
from packstack_lite.answers.table import BY_NAME, TABLE, Parameter
from packstack_lite.answers.vault import Vault
from packstack_lite.answers.writer import explained, latest_answer_file, render, write, write_text

__all__ = [
    "BY_NAME",
    "TABLE",
    "Answer",
    "Answers",
    "Change",
    "Difference",
    "Migrated",
    "Parameter",
    "Side",
    "Vault",
    "differences",
    "explained",
    "host_overrides",
    "latest_answer_file",
    "load",
    "migrate",
    "nearest",
    "read",
    "render",
    "said",
    "sentences",
    "write",
    "write_text",
]
