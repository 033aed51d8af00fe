"""Commands of ``preflight --fix``. Each ``description`` says what changes.

A fix may run again, keeps what it replaces as ``PATH.packstack-lite.orig``, and exits with another code than 0 if it
failed. Afterwards the facts are gathered again and the checks decide whether the cause is gone. A fix that moves data
is made by ``data_moving_fix``: it runs only with ``--move-data NAME``.
"""

from __future__ import annotations

from typing import Sequence

from packstack_lite.engine.events import FixCommand
from packstack_lite.nodes.facts import Repo
from packstack_lite.preflight import node_commands
from packstack_lite.recommended import recommend_here
from packstack_lite.secret import quote_sh

# Downloads of a few packages; the package manager waits for its own lock meanwhile.
_INSTALL_TIMEOUT = 300.0
_BACKUP_FUNCTIONS = r"""
keep_original() {
    [ ! -e "$1" ] || [ -e "$1.packstack-lite.orig" ] || cp -p -- "$1" "$1.packstack-lite.orig" || exit 1
}
# Replace a file's content by standard input; owner, mode and label stay. Empty input means that a program failed.
replace_content() { keep_original "$1"; new=$(cat) && [ -n "$new" ] && printf '%s\n' "$new" > "$1"; }
"""
_MOVE_FUNCTION = r"""
move_away() {
    [ -e "$1" ] || return 0
    kept=$1.packstack-lite.orig number=1
    while [ -e "$kept" ]; do kept=$1.packstack-lite.orig.$number number=$((number + 1)); done
    mv -- "$1" "$kept"
}
"""


# The values of ``--move-data``.
MARIADB, PACKSTACK = "mariadb", "packstack"
MOVABLE_DATA = (MARIADB, PACKSTACK)


def make_fix(description: str, script: str, timeout: float = 60.0) -> FixCommand:
    """Return a fix that runs a script on the node.

    ``description`` says what changes; ``script`` may use the functions keep_original and replace_content.
    """
    return FixCommand(_BACKUP_FUNCTIONS + script, timeout=timeout, description=description)


def data_moving_fix(
    data: str, paths: Sequence[str], description: str, script: str, timeout: float = 60.0
) -> FixCommand:
    """Return a fix that renames ``paths``, with the shell function move_away.

    It runs only with ``--move-data DATA``.
    """
    return FixCommand(
        _BACKUP_FUNCTIONS + _MOVE_FUNCTION + script,
        timeout=timeout,
        description=description,
        data=data,
        paths=tuple(paths),
    )


def move_data_command(data: str) -> str:
    """Return the command line that runs a fix that moves ``data``, for hints."""
    return recommend_here("preflight", "--fix", "--move-data", data)


def set_hosts_entry(address: str, names: Sequence[str]) -> FixCommand:
    """Return the fix that maps names to an address in /etc/hosts.

    It removes the names from other lines. What ``node_commands.set_hosts_entry`` does in one command, but in place:
    a container may have /etc/hosts mounted.
    """
    script = r"""
touch /etc/hosts
others=$(sed -E @options@ /etc/hosts) || exit 1
{ [ -z "$others" ] || printf '%s\n' "$others"; echo @line@; } | replace_content /etc/hosts
"""
    script = script.replace("@options@", node_commands.hosts_sed_options(names))
    script = script.replace("@line@", quote_sh(" ".join([address, *names])))
    return make_fix(f"write into /etc/hosts: {address} {' '.join(names)}", script)


def unmask_units(units: Sequence[str]) -> FixCommand:
    """Return the fix that unmasks systemd units."""
    return make_fix(f"unmask {', '.join(units)}", f"{node_commands.unmask_units(units)}\n")


def disable_unit(unit: str) -> FixCommand:
    """Return the fix that stops and disables a unit.

    A user can undo it with ``systemctl enable --now UNIT``.
    """
    return make_fix(f"stop and disable {unit}", f"{node_commands.disable_units([unit])}\n")


def set_locale() -> FixCommand:
    """Return the fix that sets LANG to an installed locale.

    That is C.UTF-8, else en_US.UTF-8, else C.
    """
    script = r"""
has() { locale -a 2>/dev/null | tr 'A-Z' 'a-z' | tr -d '-' | grep -qxF "$1"; }
if has c.utf8; then lang=C.UTF-8; elif has en_us.utf8; then lang=en_US.UTF-8; else lang=C; fi
for file in /etc/default/locale /etc/locale.conf; do
    # Not a link to the other file (Debian 13).
    [ ! -L "$file" ] || continue
    ! grep -qs '^LANG=' "$file" || sed "s/^LANG=.*/LANG=$lang/" "$file" | replace_content "$file"
done
"""
    return make_fix("set LANG to an installed locale (C.UTF-8, else en_US.UTF-8, else C)", script)


def rename_to_orig(paths: Sequence[str]) -> FixCommand:
    """Return the fix that renames paths to ``PATH.packstack-lite.orig``."""
    script = "".join(f"move_away {quote_sh(path)} || exit 1\n" for path in paths)
    return data_moving_fix(PACKSTACK, paths, f"rename {', '.join(paths)} to *.packstack-lite.orig", script)


def replace_old_database() -> FixCommand:
    """Return the fix that renames MariaDB's data.

    If a server is installed, it creates new data, and starts the server if that was running.
    """
    script = r"""
running=
for unit in mariadb mysqld mysql; do
    systemctl is-active --quiet $unit.service && { running=$unit; systemctl stop $unit.service || exit 1; break; }
done
move_away /var/lib/mysql || { [ -z "$running" ] || systemctl start $running.service; exit 1; }
make=$(command -v mariadb-install-db || command -v mysql_install_db) || exit 0
install -d -o mysql -g mysql -m 0755 /var/lib/mysql
"$make" --user=mysql >/dev/null || exit 1
! command -v restorecon >/dev/null || restorecon -R /var/lib/mysql
[ -z "$running" ] || systemctl start $running.service
"""
    description = (
        "rename /var/lib/mysql to /var/lib/mysql.packstack-lite.orig and, if MariaDB is installed, create new data"
    )
    return data_moving_fix(MARIADB, ["/var/lib/mysql"], description, script, _INSTALL_TIMEOUT)


def exclude_packages(repo: Repo, patterns: Sequence[str]) -> FixCommand:
    """Return the fix that excludes packages from a yum repository.

    ``patterns`` are added to the repository's ``exclude``.
    """
    return make_fix(f"exclude {' '.join(patterns)} from {repo.name} in {repo.path}", _exclude_script(repo, patterns))


def _exclude_script(repo: Repo, patterns: Sequence[str]) -> str:
    """Return the script that adds the patterns to the repository's ``exclude``."""
    script = r"""
[ ! -e @path@ ] || awk -v section=@section@ -v add=@add@ '
    function end() { if (inside && !done) print "exclude=" add; inside = 0 }
    /^\[/ {end(); inside = $0 == "[" section "]"; done = 0}
    inside && !done && /^exclude(pkgs)?[ \t]*=/ {
        there = $0; sub(/^[^=]*=/, "", there); gsub(/[ \t,]+/, " ", there); there = " " there " "
        count = split(add, words, " ")
        for (i = 1; i <= count; i++) if (!index(there, " " words[i] " ")) $0 = $0 " " words[i]
        done = 1
    }
    {print}
    END {end()}' @path@ | replace_content @path@
"""
    script = script.replace("@section@", quote_sh(repo.name)).replace("@add@", quote_sh(" ".join(patterns)))
    return script.replace("@path@", quote_sh(repo.path))


def downgrade_package(
    package: str, repos: Sequence[Repo], patterns: Sequence[str], dead_repos: Sequence[Repo] = ()
) -> FixCommand:
    """Return the fix that downgrades an RPM without ``repos``.

    These repositories then exclude ``patterns``.

    ``dead_repos`` are disabled for the command: a repository that does not answer stops yum.
    """
    names = ", ".join(repo.name for repo in repos)
    script = "".join(f"{_exclude_script(repo, patterns).strip()} || exit 1\n" for repo in repos)
    script += f"{node_commands.yum_downgrade(package, [*repos, *dead_repos])} > /dev/null\n"
    description = f"yum downgrade {package}" + (
        f", without {names}; exclude {' '.join(patterns)} there" if repos else ""
    )
    return make_fix(description, script, _INSTALL_TIMEOUT)


def yum_install(packages: Sequence[str], dead_repos: Sequence[Repo] = ()) -> FixCommand:
    """Return the fix that installs RPMs without ``dead_repos``.

    A repository that does not answer stops yum.
    """
    return make_fix(
        f"yum install {' '.join(packages)}",
        f"{node_commands.yum_install(packages, dead_repos)} >/dev/null\n",
        _INSTALL_TIMEOUT,
    )


def install_selinux_policy(package: str, dead_repos: Sequence[Repo] = ()) -> FixCommand:
    """Return the fix that installs an SELinux policy.

    The next boot labels all files (/.autorelabel).
    """
    return make_fix(
        f"yum install {package}, and let the next boot label all files (/.autorelabel)",
        f"{{ {node_commands.install_selinux_policy(package, dead_repos)}; }} > /dev/null\n",
        _INSTALL_TIMEOUT,
    )


def apt_install(packages: Sequence[str]) -> FixCommand:
    """Return the fix that installs Debian packages from the configured sources."""
    script = f"export DEBIAN_FRONTEND=noninteractive\n{node_commands.apt_install(packages)} >/dev/null\n"
    return make_fix(f"apt-get install {' '.join(packages)}", script, _INSTALL_TIMEOUT)


def comment_out_disc_sources(paths: Sequence[str]) -> FixCommand:
    """Return the fix that comments out CDs and DVDs among apt's sources.

    ``paths`` are files of sources. In a .sources file that is the whole stanza.
    """
    script = "".join(f"keep_original {quote_sh(path)}\n" for path in paths)
    lists = [path for path in paths if not path.endswith(".sources")]
    script += f"{node_commands.comment_out_disc_sources(lists)} || exit 1\n" if lists else ""
    script += "".join(
        _COMMENT_OUT_STANZAS.replace("@path@", quote_sh(path)) for path in paths if path.endswith(".sources")
    )
    return make_fix(f"comment out the CDs and DVDs in {', '.join(paths)}", script)


_COMMENT_OUT_STANZAS = r"""
awk '
    function end(   i) {
        for (i = 1; i <= count; i++) print (disc && lines[i] !~ /^(#|$)/ ? "# " : "") lines[i]
        count = disc = 0
    }
    {lines[++count] = $0}
    /^URIs:[ \t]*cdrom:/ {disc = 1}
    /^[ \t]*$/ {end()}
    END {end()}' @path@ | replace_content @path@ || exit 1
"""


def finish_packages() -> FixCommand:
    """Return the fix that lets dpkg finish an interrupted installation."""
    return make_fix(
        node_commands.finish_packages(),
        f"export DEBIAN_FRONTEND=noninteractive\n{node_commands.finish_packages()} > /dev/null\n",
        _INSTALL_TIMEOUT,
    )


def set_selinux_boot_mode(mode: str) -> FixCommand:
    """Return the fix that sets SELinux's mode for the next boot.

    The current mode stays.
    """
    script = f"keep_original /etc/selinux/config\n{node_commands.set_selinux_boot_mode(mode)}\n"
    return make_fix(f"set SELINUX={mode} in /etc/selinux/config", script)


def keep_only_firewalld(units: Sequence[str]) -> FixCommand:
    """Return the fix that disables firewalls other than firewalld.

    It starts firewalld, and fails before it disables any if firewalld does not let SSH in.
    """
    script = f"""
port=$(printf '%s\\n' "${{SSH_CONNECTION:-}}" | cut -d' ' -f4)
if [ "${{port:-22}}" = 22 ]; then let=--query-service=ssh; else let=--query-port=$port/tcp; fi
systemctl start firewalld.service && firewall-cmd -q "$let" ||
    {{ echo "firewalld does not let SSH in (port ${{port:-22}}): open that first" >&2; exit 1; }}
{node_commands.keep_only_firewalld(units, query='"$let"')}
"""
    return make_fix(f"stop and disable {', '.join(units)}, and load firewalld's rules again", script)


def unmanage_interfaces(managed: Sequence[str], others: Sequence[str]) -> FixCommand:
    """Return the fix that lets NetworkManager stop managing interfaces.

    It removes their addresses and routes, so these are set again.
    """
    path = "/etc/NetworkManager/conf.d/90-packstack-lite.conf"
    interfaces = list(dict.fromkeys([*managed, *others]))
    script = r"""
mkdir -p /etc/NetworkManager/conf.d
printf '[keyfile]\nunmanaged-devices+=%s\n' @names@ | replace_content @path@ || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
for interface in @managed@; do
    ip -o addr show dev "$interface" scope global | awk '{print $4}' > "$work/$interface.addresses"
    ip route show dev "$interface" > "$work/$interface.routes"
done
systemctl reload NetworkManager.service || nmcli general reload
for interface in @managed@; do
    nmcli device set "$interface" managed no || exit 1
    ip link set dev "$interface" up
    while read -r address; do ip addr replace "$address" dev "$interface"; done < "$work/$interface.addresses"
    while read -r route; do ip route replace $route dev "$interface"; done < "$work/$interface.routes"
done
"""
    script = script.replace("@names@", quote_sh(";".join(f"interface-name:{name}" for name in interfaces)))
    script = script.replace("@path@", path).replace("@managed@", " ".join(map(quote_sh, managed)))
    return make_fix(f"write {path}: NetworkManager does not manage {', '.join(interfaces)}", script)


def load_kernel_module(module: str) -> FixCommand:
    """Return the fix that loads a kernel module, now and at every boot."""
    path = node_commands.KVM_MODULE_FILE
    script = f"keep_original {path}\n{node_commands.load_kvm_module(module)}\n"
    return make_fix(f"load {module}, now and at every boot ({path})", script)


def enable_time_sync() -> FixCommand:
    """Return the fix that enables time synchronisation and sets the clock at once."""
    script = r"""
for unit in chronyd chrony; do
    systemctl cat $unit.service >/dev/null 2>&1 || continue
    systemctl enable --now $unit.service && chronyc -a makestep && chronyc waitsync 20 >/dev/null
    exit
done
@command@
for try in 1 2 3 4 5 6 7 8 9 10; do
    timedatectl 2>/dev/null | grep -q 'synchronized: yes' && exit 0
    sleep 1
done
echo 'no time server answered within 10 seconds' >&2
exit 1
"""
    script = script.replace("@command@", node_commands.enable_time_sync())
    return make_fix("enable time synchronisation and set the clock", script, 120.0)
