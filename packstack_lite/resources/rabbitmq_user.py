"""Users of RabbitMQ."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from typing import ClassVar, FrozenSet, Tuple, TypedDict

from packstack_lite.remote.command import Command, Reply
from packstack_lite.resources.base import Diff, IndividualResource, Observed, Phase, Probe, Unknown
from packstack_lite.secret import Secret, quote_sh

# Each call of rabbitmqctl starts an Erlang machine (0.9 s of processor time), so one call asks for everything. It
# returns the salted hash: the password is compared here and not sent to the node.
_EVAL_QUERY = r"""
Look = fun(Name) -> rabbit_auth_backend_internal:lookup_user(Name) end,
Full = fun(Right) -> [proplists:get_value(Key, Right) || Key <- [vhost, configure, write, read]]
    =:= [%(vhost)s, <<".*">>, <<".*">>, <<".*">>] end,
Hash = case Look(%(user)s) of {ok, User} -> base64:encode(element(3, User)); _ -> <<"none">> end,
Rights = [yes || Hash =/= <<"none">>,
    Right <- rabbit_auth_backend_internal:list_user_permissions(%(user)s), Full(Right)],
{Hash, length(Rights), element(1, Look(<<"guest">>))}.
"""
_PROBE_SCRIPT = r"""
command -v rabbitmqctl >/dev/null && systemctl is-active -q rabbitmq-server || exit 75
rabbitmqctl -q eval %s || exit 75
"""
# Print why the broker takes no message; nothing when it takes them or cannot be asked. The function is in every release
# from 3.6 (EL 7) on; rabbitmq-diagnostics check_local_alarms is not.
QUEUE_ALARM_SH = r"""
case $(timeout 20 rabbitmqctl -q eval 'rabbit_alarm:get_alarms().' < /dev/null 2>/dev/null) in
(*resource_limit,memory*) echo "RabbitMQ takes no messages: its memory alarm is set (free -m; rabbitmqctl status)" ;;
(*resource_limit,disk*) echo "RabbitMQ takes no messages: its disk alarm is set (df /var/lib/rabbitmq)" ;;
esac
"""
_ALGORITHM = "rabbit_password_hashing_sha256"
_EVAL_RESULT = re.compile(r'\{<<"([A-Za-z0-9+/=]+)">>,(\d+),(ok|error)\}')

# As definitions, since a password read from standard input loses the spaces at its ends. From a file, which holds
# only the salted hash: in RabbitMQ 4 this command gets no standard input (rabbitmqctl starts Erlang with -noinput).
_FIX_SCRIPT = r"""
rabbitmqctl -q delete_user guest < /dev/null > /dev/null 2>&1 &
file=$(mktemp) || exit 1
trap 'rm -f "$file"' EXIT
cat > "$file" && chown rabbitmq "$file" || exit 1
rabbitmqctl -q import_definitions "$file" < /dev/null || exit 1
wait
"""

# The same for a broker that reads no definitions from a file (before 3.8): it reads the hash from one, as Erlang terms.
# From 3.7 on its functions take the acting user as a further argument. No quotation marks: the expression goes through
# a second shell (rabbitmq-script-wrapper).
_FIX_WITHOUT_DEFINITIONS = r"""
rabbitmqctl -q delete_user guest < /dev/null > /dev/null 2>&1 &
file=$(mktemp -p /var/lib/rabbitmq) || exit 1
trap 'rm -f "$file"' EXIT
cat > "$file" && chown rabbitmq "$file" || exit 1
path=$(printf %s "$file" | od -An -v -tu1 | tr -s ' \n' ',')
path=${path#,}
rabbitmqctl -q eval "
{ok, [{User, Hash, Vhost, All, Actor}]} = file:consult(<<${path%,}>>),
Users = rabbit_auth_backend_internal,
Known = Users:lookup_user(User),
Acting = [Actor || erlang:function_exported(Users, add_user, 3)],
Random = base64:encode(crypto:strong_rand_bytes(24)),
[ok = apply(Users, add_user, [User, Random | Acting]) || element(1, Known) =/= ok],
ok = Users:change_password_hash(User, base64:decode(Hash)),
ok = apply(Users, set_permissions, [User, Vhost, All, All, All | Acting])." < /dev/null || exit 1
wait
"""


class RabbitmqUserState(TypedDict):
    """``password`` is "as answered" or "another"; ``guest`` is "none" or "there"."""

    password: str
    permissions: bool
    guest: str


@dataclass(frozen=True)
class RabbitmqUser(IndividualResource[RabbitmqUserState]):
    """A RabbitMQ user with this password and all permissions on ``vhost``.

    The account ``guest`` is deleted. ``supports_definitions``: the broker reads definitions from a file (RabbitMQ 3.8
    on).
    """

    kind: ClassVar[str] = "message_user"
    name: str
    password: Secret
    vhost: str = "/"
    supports_definitions: bool = True
    phase: Phase = Phase.DATABASES
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return ``message_user:NAME``."""
        return f"message_user:{self.name}"

    @property
    def label(self) -> str:
        """Return ``RabbitMQ user NAME``."""
        return f"RabbitMQ user {self.name}"

    @property
    def manifest_entries(self) -> Tuple[str, ...]:
        """Return ``message_user:NAME``."""
        return (self.id,)

    @property
    def opaque_keys(self) -> FrozenSet[str]:
        """Return the keys whose values are not shown: password and permissions."""
        return frozenset({"password", "permissions"})

    def desired(self) -> RabbitmqUserState:
        """Return the password as answered, permissions, and no user guest."""
        return {"password": "as answered", "permissions": True, "guest": "none"}

    def probe_one(self) -> Probe[RabbitmqUserState]:
        """Return the probe of the user: password, permissions, and whether guest exists."""
        query = _EVAL_QUERY % {"user": _erlang_binary(self.name), "vhost": _erlang_binary(self.vhost)}
        command = Command(_PROBE_SCRIPT % quote_sh(query), description="probe RabbitMQ users", concurrent=True)
        return Probe(command, lambda reply: {self.id: self._parse_state(reply)})

    def _parse_state(self, reply: Reply) -> Observed[RabbitmqUserState]:
        """Return the user's state; None without it, Unknown while RabbitMQ is down.

        Raises ValueError for any other reply.
        """
        if reply.code == 75:
            return Unknown(Phase.PLATFORM, "RabbitMQ does not answer")
        match = _EVAL_RESULT.fullmatch("".join(reply.out.split()))
        if not reply.ok or not match:
            raise ValueError(f"exit {reply.code}: {reply.out.strip()[:200]} {reply.err.strip()[:500]}")
        if match[1] == "none":
            return None
        return {
            "password": "as answered" if matches_password(match[1], self.password) else "another",
            "permissions": match[2] != "0",
            "guest": "there" if match[3] == "ok" else "none",
        }

    def fix_one(self, diff: Diff["RabbitmqUser"]) -> Command:
        """Return the command that creates the user and deletes guest.

        The password's hash goes through standard input, to a broker before 3.8 as Erlang terms.
        """
        script, payload = (
            (_FIX_SCRIPT, self._definitions())
            if self.supports_definitions
            else (_FIX_WITHOUT_DEFINITIONS, self._terms())
        )
        return Command(script, payload.encode(), timeout=120, description=f"create RabbitMQ user {self.name}")

    def _terms(self) -> str:
        """Return name, password hash, vhost and permissions as Erlang terms."""
        password_hash = hash_password(self.password, self.name)
        terms = (self.name, password_hash, self.vhost, ".*", "packstack-lite")
        return f"{{{', '.join(map(_erlang_binary, terms))}}}.\n"

    def _definitions(self) -> str:
        """Return the account, its vhost and permissions as RabbitMQ's definitions (JSON)."""
        password_fields = {"password_hash": hash_password(self.password, self.name), "hashing_algorithm": _ALGORITHM}
        all_permissions = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [{"name": self.name, "tags": "", **password_fields}],
            "vhosts": [{"name": self.vhost}],
            "permissions": [{"user": self.name, "vhost": self.vhost, **all_permissions}],
        }
        return json.dumps(definitions)


def hash_password(password: Secret, name: str) -> str:
    """Return RabbitMQ's hash of a password.

    It is base64 of 4 bytes of salt and the SHA-256 of salt and password. The salt is derived from the user's name, so
    that equal resources give equal commands. Source: RabbitMQ's documentation, "Credentials and Passwords".
    """
    salt = hashlib.sha256(f"packstack-lite {name}".encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.reveal().encode()).digest()).decode()


def matches_password(stored_hash: str, password: Secret) -> bool:
    """Tell whether RabbitMQ's stored hash is of this password.

    The length of the digest in it gives the algorithm. Raises ValueError for a text that is not base64.
    """
    try:
        raw = base64.b64decode(stored_hash, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not a password hash: {error}") from error
    salt, digest = raw[:4], raw[4:]
    algorithm = {16: "md5", 32: "sha256", 64: "sha512"}.get(len(digest))
    return algorithm is not None and hashlib.new(algorithm, salt + password.reveal().encode()).digest() == digest


def _erlang_binary(text: str) -> str:
    """Return Erlang source for a binary, byte by byte, free of quotation marks.

    Debian's rabbitmqctl passes arguments to a second shell.
    """
    return f"<<{','.join(map(str, text.encode()))}>>"
