"""Answers: read an answer file, resolve and check the answers, write one.

This is the package's API.
"""

from packstack_lite.answers.comparison import ComparedAnswer, Difference, compare_answers
from packstack_lite.answers.legacy.history import describe_fate
from packstack_lite.answers.legacy.messages import describe_changes
from packstack_lite.answers.legacy.migration import MigrationResult, migrate_answer_file
from packstack_lite.answers.legacy.old_flags import find_old_parameter
from packstack_lite.answers.legacy.rename import LineChange
from packstack_lite.answers.overrides import read_overrides
from packstack_lite.answers.parameter_table import PARAMETERS, PARAMETERS_BY_NAME, Parameter
from packstack_lite.answers.password_store import PasswordStore
from packstack_lite.answers.reader import read_answer_file, suggest_parameter
from packstack_lite.answers.resolved_answers import Answer, Answers
from packstack_lite.answers.resolver import derive_node_answers, resolve_answers
from packstack_lite.answers.suggestions import suggest_name
from packstack_lite.answers.writer import (
    describe_parameter,
    render_answer_file,
    write_answer_file,
    write_answer_text,
)

__all__ = [
    "PARAMETERS",
    "PARAMETERS_BY_NAME",
    "Answer",
    "Answers",
    "ComparedAnswer",
    "Difference",
    "LineChange",
    "MigrationResult",
    "Parameter",
    "PasswordStore",
    "compare_answers",
    "derive_node_answers",
    "describe_changes",
    "describe_fate",
    "describe_parameter",
    "find_old_parameter",
    "migrate_answer_file",
    "read_answer_file",
    "read_overrides",
    "render_answer_file",
    "resolve_answers",
    "suggest_name",
    "suggest_parameter",
    "write_answer_file",
    "write_answer_text",
]
