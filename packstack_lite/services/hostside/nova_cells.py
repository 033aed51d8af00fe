# mypy: ignore-errors
"""nova's four schema steps, in their order, for the price of importing nova once.

Each step is nova-manage's own command in a forked child. The cells are kept as templates
that nova fills in from nova.conf: a changed password or address needs no change here, and
the default of map_cell0, which stores the password unquoted, is avoided.
Runs on the host as nova's account, on Python 2.7 and 3.
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
# create_cell says 2 when a cell with these URLs is there already: a step that was done before.
DONE_BEFORE = {("cell_v2", "create_cell"): 2}


def nova_manage(words):
    """One nova-manage command in a child; its exit code."""
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
    for words in STEPS:
        code = nova_manage(words)
        if code and code != DONE_BEFORE.get(words[:2]):
            sys.stderr.write("nova-manage %s ended with exit code %d\n" % (" ".join(words[:2]), code))
            return 1
    return 0


sys.exit(main())
