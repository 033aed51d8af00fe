# mypy: ignore-errors
"""Run Nova's four schema steps in order, importing Nova only once.

Each step is a command of nova-manage in a forked child. The cells' URLs are templates that Nova fills in from
nova.conf: a changed password or address needs no change here. map_cell0's default would store the password unquoted.
Runs on the node as nova's account, on Python 2.7 and 3.
"""

import os
import sys
import traceback

from nova.cmd import manage

URL = "{scheme}://{username}:{password}@{hostname}:{port}/{path}"
STEPS = (
    ("api_db", "sync"),
    ("cell_v2", "map_cell0", "--database_connection", URL + "_cell0"),
    ("db", "sync"),
    ("cell_v2", "create_cell", "--name", "cell1", "--database_connection", URL, "--transport-url", URL),
)
# create_cell exits with 2 if a cell with these URLs exists: an earlier run did this step.
ALREADY_DONE = {("cell_v2", "create_cell"): 2}


def nova_manage(words):
    """Run one nova-manage command in a child process; return its exit code."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
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


def main():
    """Run every step; return 1 at the first that fails."""
    for words in STEPS:
        code = nova_manage(words)
        if code and code != ALREADY_DONE.get(words[:2]):
            sys.stderr.write("nova-manage %s ended with exit code %d\n" % (" ".join(words[:2]), code))
            return 1
    return 0


sys.exit(main())
