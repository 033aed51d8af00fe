"""Users of RabbitMQ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Dict, FrozenSet, List, Optional, Sequence, Tuple, cast

from packstack_lite.remote.command import Action, Command, Reply
from packstack_lite.resources.base import Gap, Look, Phase, Resource, Seen, State, Unknown
from packstack_lite.secret import Secret, sh

# rabbitmqctl reads a password that is not on its command line from its input. Each call
# starts an Erlang machine (1 to 3 s), so the three questions are asked side by side.
_LOOK = r"""
command -v rabbitmqctl >/dev/null && systemctl is-active -q rabbitmq-server || exit 75
d=$(mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT
exec 3<&0
(rabbitmqctl -q authenticate_user %(user)s <&3 && echo yes || echo no) 2>/dev/null | tail -n 1 > "$d/password" &
rabbitmqctl -q --no-table-headers list_users > "$d/users" 2>/dev/null < /dev/null &
rabbitmqctl -q --no-table-headers list_permissions -p %(vhost)s > "$d/permissions" 2>/dev/null < /dev/null &
wait
has() { grep -qxF "$1" "$2" && echo yes || echo no; }
cut -f1 "$d/users" > "$d/names"
[ "$(has %(user)s "$d/names")" = yes ] || exit 3
echo $(cat "$d/password") $(has "$(printf '%%s\t.*\t.*\t.*' %(user)s)" "$d/permissions") $(has guest "$d/names")
"""

_CLOSE = r"""
set -u
password=$(mktemp) || exit 1
trap 'rm -f "$password"' EXIT
cat > "$password"
users=$(rabbitmqctl -q --no-table-headers list_users < /dev/null | cut -f1)
verb=add_user
echo "$users" | grep -qxF %(user)s && verb=change_password
rabbitmqctl -q $verb %(user)s < "$password" || exit 1
rabbitmqctl -q set_permissions -p %(vhost)s %(user)s '.*' '.*' '.*' < /dev/null || exit 1
if echo "$users" | grep -qx guest; then rabbitmqctl -q delete_user guest < /dev/null; fi
"""


@dataclass(frozen=True)
class MessageUser(Resource):
    """A user with this password and all rights on ``vhost``; the account ``guest`` is gone."""

    kind: ClassVar[str] = "message_user"
    name: str
    password: Secret
    vhost: str = "/"
    phase: Phase = Phase.DATABASES
    tags: FrozenSet[str] = frozenset()
    needs: Tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"message_user:{self.name}"

    def want(self) -> Optional[State]:
        return {"password": "as answered", "permissions": True, "guest": "none"}

    def _how(self) -> Dict[str, str]:
        return {"user": sh(self.name), "vhost": sh(self.vhost)}

    @classmethod
    def look(cls, group: Sequence[Resource]) -> List[Look]:
        return [cast(MessageUser, member)._look() for member in group]

    def _look(self) -> Look:
        def parse(reply: Reply) -> Dict[str, Seen]:
            if reply.code == 75:
                return {self.id: Unknown(Phase.PLATFORM, "RabbitMQ does not run")}
            if reply.code == 3:
                return {self.id: None}
            answers = reply.out.split()
            if not reply.ok or len(answers) != 3 or not set(answers) <= {"yes", "no"}:
                raise ValueError(f"exit {reply.code}: {reply.out.strip()} {reply.err.strip()}")
            password, permissions, guest = (answer == "yes" for answer in answers)
            seen = {"permissions": permissions, "guest": "there" if guest else "none"}
            return {self.id: {"password": "as answered" if password else "another", **seen}}

        secret = self.password.reveal().encode()
        return Look(Command(_LOOK % self._how(), secret, says="look at RabbitMQ users", slow=True), parse)

    @classmethod
    def close(cls, gaps: Sequence[Gap]) -> List[Action]:
        return [cast(MessageUser, gap.resource)._command() for gap in gaps]

    def _command(self) -> Command:
        secret = self.password.reveal().encode()
        return Command(_CLOSE % self._how(), secret, timeout=120, says=f"make RabbitMQ user {self.name}")
