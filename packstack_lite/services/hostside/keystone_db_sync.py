# mypy: ignore-errors
"""Run keystone-manage db_sync with a percent sign in the database's URL.

Keystone (seen in Zed, keystone/common/sql/upgrades.py) passes its URL unquoted to alembic's configuration. A quoted
character of the password (%40) then counts as interpolation, and the command fails. Doubling the sign avoids this.
Runs on the node as keystone's account, on Python 2.7 and 3.
"""

import sys


def accept_percent_signs(config):
    """Make alembic's set_main_option accept any text."""
    original = config.set_main_option

    def set_main_option(self, name, value):
        """Set an option; double percent signs that alembic refuses."""
        try:
            original(self, name, value)
        except ValueError:
            original(self, name, value.replace("%", "%%"))

    config.set_main_option = set_main_option


def main():
    """Run the migration; return its exit code."""
    try:
        from alembic.config import Config

        accept_percent_signs(Config)
    except ImportError:
        sys.stderr.write("alembic is not installed: this release of Keystone migrates without it\n")
    from keystone.cmd.manage import main as keystone_manage

    sys.argv = ["keystone-manage", "db_sync"]
    return keystone_manage()


sys.exit(main())
