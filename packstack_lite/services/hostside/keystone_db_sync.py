# mypy: ignore-errors
"""keystone-manage db_sync that also bears a percent sign in the database's URL.

Keystone (seen in Zed, keystone/common/sql/upgrades.py) hands its URL to alembic's
configuration file as it is; a quoted character of the password (%40) then counts as
interpolation and the command dies. Doubled, the sign comes out single again.
Runs on the host as keystone's account, on Python 2.7 and 3.
"""

import sys


def mend(config):
    """Let alembic's set_main_option take any text."""
    plain = config.set_main_option

    def set_main_option(self, name, value):
        try:
            plain(self, name, value)
        except ValueError:
            plain(self, name, value.replace("%", "%%"))

    config.set_main_option = set_main_option


def main():
    try:
        from alembic.config import Config

        mend(Config)
    except ImportError:
        sys.stderr.write("no alembic here: this keystone's migrations do without\n")
    from keystone.cmd.manage import main as keystone_manage

    sys.argv = ["keystone-manage", "db_sync"]
    return keystone_manage()


sys.exit(main())
