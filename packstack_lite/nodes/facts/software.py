"""The part of a host's facts that is about what is installed: RPMs known for trouble, Python, language, old data."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

from packstack_lite.nodes.facts.key_value import SAY_FUNCTION, parse_key_values, split_named_values
from packstack_lite.remote.command import Command, Reply

# RPMs whose versions are told.
REPORTED_RPMS = (
    *("selinux-policy-targeted", "openstack-selinux", "facter", "leatherman", "erlang", "erlang-erts"),
    *("qpid-proton-c", "rabbitmq-server", "firewalld", "iptables-services", "httpd"),
)
# What OpenStack's programs import that pip, run by hand, likes to put before the distribution's.
CHECKED_MODULES = (
    *("yaml", "pytz", "six", "requests", "urllib3", "eventlet", "greenlet", "sqlalchemy", "jinja2"),
    *("cryptography", "oslo_config", "oslo_db", "oslo_messaging", "keystoneauth1"),
)
_ACCOUNTS = (
    "SELECT CONCAT(LEFT(SHA2(COALESCE(NULLIF(Password, ''), authentication_string, ''), 256), 12),"
    " ' ', User, '@', Host) FROM mysql.user"
)

_ASK = (
    SAY_FUNCTION
    + r"""
if command -v rpm >/dev/null; then
    timeout 20 rpm -qa --qf '%{NAME}\t%{VERSION}-%{RELEASE}\t%{VENDOR}\n' 2>/dev/null | awk -F '\t' '
        BEGIN {count = split("@rpms@", list, " "); while (count) known[list[count--]] = 1}
        $1 in known {print "version=" $1 " " $2}
        $3 == "Fedora Project" {print "epel=" $1}'
fi
if command -v facter >/dev/null; then
    said=$(timeout 10 facter --version 2>&1) ||
        say facter "$(printf '%s\n' "$said" | grep 'shared libraries' | head -n 1)"
fi

# "C.UTF-8" and "C.utf8" are the same.
flat() { tr 'A-Z' 'a-z' | tr -d '-'; }
lang=$(sed -n 's/^LANG="\{0,1\}\([^"]*\).*/\1/p' /etc/default/locale /etc/locale.conf 2>/dev/null | head -n 1)
case $lang in ''|C|POSIX) ;; *)
    locale -a 2>/dev/null | flat | grep -qxF -e "$(printf '%s\n' "$lang" | flat)" || say lang_missing "$lang"
esac

for python in python3 python2; do
    command -v "$python" >/dev/null || continue
    "$python" -c '
for name in ("yaml", "pytz"):
    try:
        # A directory that is left of one can be imported as well, from no file.
        found = getattr(__import__(name), "__file__", None)
    except Exception:
        found = None
    if not found:
        print("python_missing=@python@ " + name)' 2>/dev/null | sed "s/@python@/$python/"
done
for place in /usr/local/lib*/python*/site-packages /usr/local/lib*/python*/dist-packages; do
    for module in @modules@; do
        for found in "$place/$module" "$place/$module.py"; do [ ! -e "$found" ] || say shadowed "$found"; done
    done
done

for place in /var/lib/mysql/*/; do
    name=${place%/} name=${name##*/}
    case $name in
        '*'|'#'*|mysql|performance_schema|information_schema|sys|test|lost+found) ;;
        *) say schema "$name" ;;
    esac
done
client=$(command -v mariadb || command -v mysql)
if [ -n "$client" ] && [ -d /var/lib/mysql/mysql ]; then
    if refused=$(timeout 5 "$client" -N -e 'SELECT 1' 2>&1 >/dev/null); then
        # No hash leaves the host: a digest is enough to compare. mysql.user is a view since MariaDB 10.4.
        timeout 5 "$client" -N -B -e "@accounts@" 2>/dev/null | sed 's/^/account=/'
    else
        say refused "$(printf '%s\n' "$refused" | grep 'Access denied' | head -n 1)"
    fi
fi

for path in /var/tmp/packstack /root/packstackca /root/packstack-answers-*.txt; do
    [ ! -e "$path" ] || say packstack "$path"
done
exit 0
""".replace("@rpms@", " ".join(REPORTED_RPMS))
    .replace("@modules@", " ".join(CHECKED_MODULES))
    .replace("@accounts@", _ACCOUNTS)
)


def build_command() -> Command:
    """What to ask; beside the others, as the list of all RPMs takes a second or two."""
    return Command(_ASK, description="gather facts of software", concurrent=True)


def parse_facts(replies: Sequence[Reply]) -> Dict[str, Any]:
    """The fields of Facts that the reply fills."""
    values_by_key = parse_key_values(replies)
    return {
        "rpm_versions": split_named_values(values_by_key.get("version", [])),
        "epel_rpms": tuple(sorted(values_by_key.get("epel", ()))),
        "facter_error": "".join(values_by_key.get("facter", [])[:1]),
        "missing_locale": "".join(values_by_key.get("lang_missing", [])[:1]),
        "missing_python_modules": tuple(values_by_key.get("python_missing", ())),
        "shadowing_modules": tuple(values_by_key.get("shadowed", ())),
        "mariadb_databases": tuple(values_by_key.get("schema", ())),
        "accounts": {account: digest for digest, account in _two_words(values_by_key.get("account", []))},
        "mariadb_root_error": "".join(values_by_key.get("refused", [])[:1]),
        "packstack_files": tuple(values_by_key.get("packstack", ())),
    }


def _two_words(lines: Sequence[str]) -> List[Tuple[str, str]]:
    """Split each line at its first space; lines without one are not ours."""
    return [(first, rest) for first, space, rest in (line.partition(" ") for line in lines) if space]
