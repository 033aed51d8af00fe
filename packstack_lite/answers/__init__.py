"""Answers: Packstack's parameters, read, checked, made complete and written."""

from packstack_lite.answers.effective import host_overrides, load
from packstack_lite.answers.mapping import Answer, Answers
from packstack_lite.answers.overrides import said
from packstack_lite.answers.reader import nearest, read
from packstack_lite.answers.table import BY_NAME, TABLE, Parameter
from packstack_lite.answers.vault import Vault
from packstack_lite.answers.writer import explained, latest_answer_file, render, write

__all__ = [
    "BY_NAME",
    "TABLE",
    "Answer",
    "Answers",
    "Parameter",
    "Vault",
    "explained",
    "host_overrides",
    "latest_answer_file",
    "load",
    "nearest",
    "read",
    "render",
    "said",
    "write",
]
