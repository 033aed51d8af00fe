"""Root's two ways into MariaDB, on servers that give an account several ways in and on those that give it one."""

from __future__ import annotations

import pytest

from packstack_lite.resources import Once
from packstack_lite.secret import Masker, Secret
from tests.clouds import cloud
from tests.rendered import resources_of
from tests.unit.dash import Dash

HOSTILE = "a$b %c\"d'e\\f#g;h@i/j:k&l!m"
QUOTED = "'a$b %c\"d''e\\\\f#g;h@i/j:k&l!m'"
CLIENT = """
case "$*" in
"-N -e SELECT VERSION()") cat $T/version ;;
-e*) echo "$2" >> $T/asked; exit 1 ;;
'') cat > $T/sql ;;
esac
"""


def root_of(dash, version):
    (dash.root / "version").write_text(version + "\n")
    work = next(
        one for one in resources_of(cloud({"CONFIG_MARIADB_PW": Secret(HOSTILE)}), Once) if one.name == "mariadb-root"
    )
    assert not Masker([Secret(HOSTILE)]).holds_secret(work.script)
    (job,) = Once.close([type("Gap", (), {"resource": work})()])
    assert dash.run(job).ok
    return dash.noted("sql").splitlines()


@pytest.fixture
def dash(tmp_path):
    made = Dash(tmp_path, moved=["/var/lib/packstack-lite"])
    for name in ("mariadb", "mysql"):
        made.tool(name, CLIENT)
    return made


@pytest.mark.parametrize(
    "version", ["10.11.14-MariaDB-0+deb12u2", "10.4.0-MariaDB", "11.8.3-MariaDB", "12.0.1-MariaDB"]
)
def test_where_an_account_may_have_two_ways_in_root_has_both(dash, version):
    assert root_of(dash, version) == [
        f"ALTER USER root@localhost IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD({QUOTED});"
    ]
    assert dash.noted("asked") == ""


@pytest.mark.parametrize("version", ["10.3.20-MariaDB", "5.5.68-MariaDB"])
def test_on_el7_the_socket_is_for_root_and_the_password_for_tcp(dash, version):
    """Also where the plugin is there already, which is an error."""
    statements = root_of(dash, version)
    assert not [line for line in statements if " OR mysql" in line]
    assert f"ALTER USER root@127.0.0.1 IDENTIFIED BY {QUOTED};" in statements
    assert "ALTER USER root@localhost IDENTIFIED VIA unix_socket;" in statements
    assert dash.noted("asked") == "INSTALL SONAME 'auth_socket'\n"
