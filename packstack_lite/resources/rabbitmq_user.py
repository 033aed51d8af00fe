"""Users of RabbitMQ."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from typing import ClassVar, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Diff, Observed, Phase, Probe, Resource, State, Unknown
from packstack_lite.secret import Secret, quote_sh

# Each call of rabbitmqctl starts an Erlang machine (0.9 s of processor time): one question
# for everything. It tells the salted hash, so that the password stays where it is.
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
_ALGORITHM = "rabbit_password_hashing_sha256"
_EVAL_RESULT = re.compile(r'\{<<"([A-Za-z0-9+/=]+)">>,(\d+),(ok|error)\}')

# As definitions, since a password read from the input loses the spaces at its ends. From a file, which
# holds the salted hash alone: RabbitMQ 4 keeps this command from its input (its rabbitmqctl says -noinput).
_FIX_SCRIPT = r"""
rabbitmqctl -q delete_user guest < /dev/null > /dev/null 2>&1 &
file=$(mktemp) || exit 1
trap 'rm -f "$file"' EXIT
cat > "$file" && chown rabbitmq "$file" || exit 1
rabbitmqctl -q import_definitions "$file" < /dev/null || exit 1
wait
"""

# The same for a broker that takes no definitions from a file (before 3.8): it reads the hash from one, as Erlang's
# terms. Its functions want to be told who acts from 3.7 on. No quotation marks, as the words go through a second
# shell (rabbitmq-script-wrapper).
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


@dataclass(frozen=True)
class RabbitmqUser(Resource):
    """A user with this password and all rights on ``vhost``; the account ``guest`` is gone.

    ``definitions`` says whether the broker can read these from a file in its own format (RabbitMQ 3.8 on).
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
        return f"message_user:{self.name}"

    def desired(self) -> Optional[State]:
        return {"password": "as answered", "permissions": True, "guest": "none"}

    @classmethod
    def probe(cls, resources: Sequence[Resource]) -> List[Probe]:
        return [cast(RabbitmqUser, resource)._probe() for resource in resources]

    def _probe(self) -> Probe:
        query = _EVAL_QUERY % {"user": _erlang_binary(self.name), "vhost": _erlang_binary(self.vhost)}
        command = Command(_PROBE_SCRIPT % quote_sh(query), description="look at RabbitMQ users", concurrent=True)
        return Probe(command, lambda reply: {self.id: self._observed(reply)})

    def _observed(self, reply: Reply) -> Observed:
        if reply.code == 75:
            return Unknown(Phase.PLATFORM, "RabbitMQ does not answer")
        match = _EVAL_RESULT.fullmatch("".join(reply.out.split()))
        if not reply.ok or not match:
            raise ValueError(f"exit {reply.code}: {reply.out.strip()[:200]} {reply.err.strip()[:500]}")
        if match[1] == "none":
            return None
        is_same = matches_password(match[1], self.password)
        observed = {"permissions": match[2] != "0", "guest": "there" if match[3] == "ok" else "none"}
        return {"password": "as answered" if is_same else "another", **observed}

    @classmethod
    def fix(cls, diffs: Sequence[Diff]) -> List[Action]:
        return [cast(RabbitmqUser, diff.resource)._command() for diff in diffs]

    def _command(self) -> Command:
        script, payload = (
            (_FIX_SCRIPT, self._definitions())
            if self.supports_definitions
            else (_FIX_WITHOUT_DEFINITIONS, self._terms())
        )
        return Command(script, payload.encode(), timeout=120, description=f"make RabbitMQ user {self.name}")

    def _terms(self) -> str:
        password_hash = hash_password(self.password, self.name)
        terms = (self.name, password_hash, self.vhost, ".*", "packstack-lite")
        return f"{{{', '.join(map(_erlang_binary, terms))}}}.\n"

    def _definitions(self) -> str:
        password_fields = {"password_hash": hash_password(self.password, self.name), "hashing_algorithm": _ALGORITHM}
        all_permissions = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [{"name": self.name, "tags": "", **password_fields}],
            "vhosts": [{"name": self.vhost}],
            "permissions": [{"user": self.name, "vhost": self.vhost, **all_permissions}],
        }
        return json.dumps(definitions)


def hash_password(password: Secret, name: str) -> str:
    """How RabbitMQ keeps a password: base64 of 4 bytes of salt and SHA-256 of salt and password.

    The salt is the user's own and always the same, so that equal wishes give equal commands.
    Source: RabbitMQ's documentation, "Credentials and Passwords".
    """
    salt = hashlib.sha256(f"packstack-lite {name}".encode()).digest()[:4]
    return base64.b64encode(salt + hashlib.sha256(salt + password.reveal().encode()).digest()).decode()


def matches_password(stored_hash: str, password: Secret) -> bool:
    """Whether a hash as RabbitMQ keeps it is of this password; the digest's length tells the algorithm."""
    try:
        raw = base64.b64decode(stored_hash, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not a password hash: {error}") from error
    salt, digest = raw[:4], raw[4:]
    algorithm = {16: "md5", 32: "sha256", 64: "sha512"}.get(len(digest))
    return algorithm is not None and hashlib.new(algorithm, salt + password.reveal().encode()).digest() == digest


def _erlang_binary(text: str) -> str:
    """A binary in Erlang's source, byte by byte: Debian's rabbitmqctl hands its words to a second shell."""
    return f"<<{','.join(map(str, text.encode()))}>>"
