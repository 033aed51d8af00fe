# mypy: ignore-errors
"""Run Nova's schema steps in order, importing Nova only once.

Each step is a command of nova-manage in a forked child. The cells' URLs are templates that Nova fills in from
nova.conf: a changed password or address needs no change here. map_cell0's default would store the password unquoted.
Runs on the node as nova's account, on Python 2.7 and 3.
"""

import os
import sys
import tempfile
import traceback

from nova.cmd import manage

URL = "{scheme}://{username}:{password}@{hostname}:{port}/{path}"
CELL = "cell1"
STEPS = (
    ("api_db", "sync"),
    ("cell_v2", "map_cell0", "--database_connection", URL + "_cell0"),
    ("db", "sync"),
)
CREATE_CELL = ("cell_v2", "create_cell", "--name", CELL, "--database_connection", URL, "--transport-url", URL)


def nova_manage(words, stdout=1):
    """Run one nova-manage command in a child process; return its exit code.

    ``stdout`` is the descriptor of the file that it prints to.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            os.dup2(stdout, 1)
            sys.argv = ["nova-manage"] + list(words)  # noqa: RUF005 (Python 2.7)
            code = manage.main() or 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    status = os.waitpid(pid, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 255


def run_step(words, stdout=1):
    """Run one nova-manage command; end the program with 1 if it fails."""
    code = nova_manage(words, stdout)
    if code:
        sys.stderr.write("nova-manage %s ended with exit code %d\n" % (" ".join(words[:2]), code))
        sys.exit(1)


def has_cell():
    """Return whether the cell exists: an earlier run made it.

    create_cell itself compares the templates with the filled URLs of the cells (nova/objects/cell_mapping.py, Stein to
    Epoxy), and makes the cell once more. Nova then lists and counts each instance twice.
    """
    with tempfile.TemporaryFile() as output:
        run_step(("cell_v2", "list_cells"), output.fileno())
        output.seek(0)
        rows = [line.split("|") for line in output.read().decode("utf-8", "replace").splitlines()]
    return any(len(row) > 1 and row[1].strip() == CELL for row in rows)


def main():
    """Run every step, and make the cell if there is none."""
    for words in STEPS:
        run_step(words)
    if not has_cell():
        run_step(CREATE_CELL)


main()
