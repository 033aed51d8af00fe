"""Remember which machine was deployed with which answers.

A record belongs to one machine, by its machine id, never to an address: another machine may get the address tomorrow.
Records are in the state directory (``node-records``). Used by ``deployment``, ``new_answer_file`` and ``cli``.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from packstack_lite.answers.password_store import write_private_file
from packstack_lite.answers.reader import read_answer_file
from packstack_lite.deployment.connection_target import ConnectionTarget, is_this_machine, resolve_address
from packstack_lite.errors import UsageError
from packstack_lite.recommended import recommend
from packstack_lite.state_paths import state_directory

if TYPE_CHECKING:
    from packstack_lite.nodes.facts import Facts

RECORDS_DIRECTORY = "node-records"
MACHINE_ID_FILE = Path("/etc/machine-id")


@dataclass(frozen=True)
class Identity:
    """Digests of a machine's id and of its SSH host key; "" where unknown."""

    machine_id: str = ""
    host_key: str = ""

    def matches(self, other: Identity) -> bool:
        """Return whether both are known to be of one machine.

        The machine id decides if both have one.
        """
        if self.machine_id and other.machine_id:
            return self.machine_id == other.machine_id
        return bool(self.host_key) and self.host_key == other.host_key


@dataclass(frozen=True)
class NodeRecord:
    """A controller that was deployed from here, and its answers.

    ``names`` are its addresses and host names. ``answer_files`` are those of the last deployment. ``generated`` maps
    the answer files that were generated for it to the digest of their text then. ``answered`` are the parameters that
    these files answered, in the order of their lines. ``overrides`` are the parameters and options that the last
    deployment had beside its files. ``sandbox`` is its name, "" for any other machine. ``time`` is that of the last
    deployment.
    """

    machine_id: str
    address: str
    host_key: str = ""
    names: Tuple[str, ...] = ()
    answer_files: Tuple[str, ...] = ()
    generated: Mapping[str, str] = field(default_factory=dict)
    overrides: Tuple[str, ...] = ()
    sandbox: str = ""
    time: float = 0.0
    answered: Tuple[str, ...] = ()

    @property
    def identity(self) -> Identity:
        """The machine's identity."""
        return Identity(self.machine_id, self.host_key)

    @property
    def files(self) -> Tuple[Path, ...]:
        """The answer files of the last deployment that still exist."""
        return tuple(path for path in map(Path, self.answer_files) if path.is_file())

    @property
    def path(self) -> Path:
        """The file of this record."""
        return _records_directory() / f"{self.machine_id}.json"


def _records_directory() -> Path:
    """Return the directory of all records of this user."""
    return state_directory() / RECORDS_DIRECTORY


def digest(text: str) -> str:
    """Return a short digest; an id of a machine is not for other eyes (machine-id(5))."""
    return hashlib.sha256(text.encode()).hexdigest()[:32] if text else ""


def list_records() -> List[NodeRecord]:
    """Return the records of all machines, the newest first.

    Raises UsageError for a damaged one.
    """
    records = [_read_record(path) for path in sorted(_records_directory().glob("*.json"))]
    return sorted(records, key=lambda record: record.time, reverse=True)


_TUPLES = ("names", "answer_files", "overrides", "answered")


def _read_record(path: Path) -> NodeRecord:
    """Read a record; fields of later releases are ignored. Raises UsageError."""
    hint = f"rm {path}; then name the answer file of its cloud with --answer-file FILE"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}", "check its owner and mode") from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path}: the record of a deployed node is damaged", hint) from None
    names = {item.name for item in fields(NodeRecord)}
    values: Dict[str, Any] = {}
    if isinstance(content, dict):
        values = {name: value for name, value in content.items() if name in names}
    if not _is_valid(values) or values["machine_id"] != path.stem:
        raise UsageError(f"{path}: the record of a deployed node is damaged", hint)
    return NodeRecord(**{**values, **{name: tuple(values.get(name, ())) for name in _TUPLES}})


def _is_valid(values: Mapping[str, Any]) -> bool:
    """Return whether the values of a record have the types of its fields."""
    texts = [values.get(name, "") for name in ("machine_id", "address", "host_key", "sandbox")]
    lists = [values.get(name, []) for name in _TUPLES]
    generated = values.get("generated", {})
    if not all(isinstance(items, list) for items in lists) or not isinstance(generated, dict):
        return False
    texts += [item for items in lists for item in items] + [*generated, *generated.values()]
    is_complete = bool(values.get("machine_id")) and bool(values.get("address"))
    return is_complete and all(isinstance(t, str) for t in texts) and isinstance(values.get("time", 0.0), (int, float))


def claimed_files() -> Dict[str, NodeRecord]:
    """Return the answer files that belong to a machine, each with its record."""
    return {path: record for record in list_records() for path in (*record.answer_files, *record.generated)}


def known_identity(target: ConnectionTarget) -> Identity:
    """Return what is known of a machine's identity before connecting to it."""
    if target.sandbox:
        return Identity(host_key=_sandbox_host_key(target.sandbox.known_hosts, target.address))
    return Identity(machine_id=_own_machine_id()) if target.is_local else Identity()


def _own_machine_id() -> str:
    """Return the digest of this machine's id, "" without one."""
    try:
        return digest(MACHINE_ID_FILE.read_text(encoding="utf-8").strip())
    except OSError:
        return ""


def _sandbox_host_key(known_hosts: Path, address: str) -> str:
    """Return the digest of a sandbox's host key, as its own known_hosts has it."""
    try:
        lines = known_hosts.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((digest(line.split(" ", 1)[1]) for line in lines if line.split(" ")[0] == address), "")


def find_record(target: ConnectionTarget) -> Optional[NodeRecord]:
    """Return the record of a machine, None without one.

    Before connecting, a machine behind SSH is known by its names only; ``require_same_machine`` checks it later.
    Raises UsageError for this machine if its cloud has an address that it has no longer.
    """
    identity = known_identity(target)
    if identity == Identity():
        names = {target.address, resolve_address(target.address)}
        candidates = [record for record in list_records() if names & {record.address, *record.names}]
        # Addresses such as that of a bridge for containers are the same on many machines.
        return next((record for record in candidates if record.address in names), next(iter(candidates), None))
    record = next((record for record in list_records() if record.identity.matches(identity)), None)
    if record and target.is_local and not is_this_machine(record.address):
        raise moved_error(record, target.address)
    return record


def moved_error(record: NodeRecord, new_address: str) -> UsageError:
    """Return the error for a machine whose cloud has another address than it has now."""
    old = record.address
    files = record.answer_files
    new_address = new_address or "NEW_ADDRESS"
    message = f"{new_address}: a cloud with the address {old} lives on this machine, which has that address no longer"
    if not files:
        return UsageError(message, f"give it the address {old} again")
    moved = f"{files[-1]}.moved"
    pattern = old.replace(".", r"\.")
    return UsageError(
        f"{message} (answers: {', '.join(files)})",
        f"give it the address {old} again; or move the cloud: cp -p {files[-1]} {moved};"
        f" sed -i 's/\\<{pattern}\\>/{new_address}/g' {moved}; {recommend('plan', '--answer-file', moved)}",
    )


def require_same_machine(record: NodeRecord, facts: Facts, address: str) -> None:
    """Raise UsageError if the machine at an address is not that of the record.

    The record is the one whose answers are used.
    """
    machine_id = digest(facts.system.machine_id)
    if not machine_id or machine_id == record.machine_id:
        return
    files = ", ".join(record.answer_files)
    raise UsageError(
        f"{address}: another machine had this address when it was deployed with {files} (its machine id differs)",
        f"to use these answers for this machine too, name them: --answer-file {files};"
        f" to begin anew: rm {record.path}, and move {files} away",
    )


def require_not_moved(facts: Facts, address: str) -> None:
    """Raise UsageError for a machine whose cloud has an address that it lost.

    A new deployment there would be a second one.
    """
    record = find_machine_record(facts)
    if record and record.address not in {address, resolve_address(address), *_addresses(facts)}:
        raise moved_error(record, address)


def _addresses(facts: Facts) -> List[str]:
    """Return every address of a node, without the length of its network."""
    interfaces = facts.network.interfaces
    return [facts.network.address, *(text.split("/")[0] for item in interfaces for text in item.addresses)]


def find_machine_record(facts: Facts) -> Optional[NodeRecord]:
    """Return the record of a machine whose facts are known, None without one."""
    machine_id = digest(facts.system.machine_id)
    return next((record for record in list_records() if machine_id and record.machine_id == machine_id), None)


def list_answered(files: Sequence[Path]) -> List[str]:
    """Return the parameters that answer files answer, in the order of their lines."""
    names: Dict[str, None] = {}
    for path in files:
        answers = read_answer_file(path).answers
        names.update(dict.fromkeys(sorted(answers, key=lambda name: answers[name][1])))
    return list(names)


def remember_node(
    target: ConnectionTarget, facts: Facts, files: Sequence[Path], overrides: Sequence[str], generated: Sequence[Path]
) -> None:
    """Write the record of a controller that is deployed now with these answer files.

    ``generated`` are those that this tool has written. A machine without a machine id is not remembered.
    """
    machine_id = digest(facts.system.machine_id)
    if not machine_id:
        return
    earlier = find_machine_record(facts)
    address = resolve_address(target.address)
    names = (target.address, *_addresses(facts), facts.system.hostname, facts.system.fqdn)
    record = NodeRecord(
        machine_id,
        address,
        known_identity(target).host_key,
        tuple(dict.fromkeys(name for name in names if name and not is_loopback_name(name))),
        tuple(str(path.absolute()) for path in files),
        {**(earlier.generated if earlier else {}), **{str(p.absolute()): digest(p.read_text()) for p in generated}},
        tuple(overrides),
        target.sandbox.name if target.sandbox else "",
        time.time(),
        tuple(list_answered(files)),
    )
    if earlier and replace(record, time=earlier.time) == earlier:
        return
    try:
        record.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private_file(record.path, json.dumps(asdict(record), indent=1) + "\n")
    except OSError as error:
        raise UsageError(
            f"{record.path}: cannot be written: {error.strerror}", "check that directory, or set HOME"
        ) from None


def is_loopback_name(name: str) -> bool:
    """Return whether a name means whichever machine it is used on."""
    return name.startswith(("127.", "localhost")) or name == "::1"


def password_file(address: str, owner: str = "") -> Path:
    """Return the file with the generated passwords of the machine at an address.

    ``owner`` is the machine-id or host key of one whose address another machine had before.
    """
    name = re.sub(r"[^\w.\-]", "_", address)
    return state_directory() / (f"{name}-{owner[:8]}" if owner else name) / "passwords.json"


def forget_sandbox(name: str, address: str) -> List[str]:
    """Remove what is remembered of a sandbox that is gone.

    Its passwords, its record, and the answer files that were generated for it and not changed since. Return the
    answer files that stay, which no later run uses by itself.
    """
    kept: List[str] = []
    for record in list_records():
        if record.sandbox != name and not (record.sandbox and record.address == address):
            continue
        for path, generated_digest in record.generated.items():
            if Path(path).is_file() and digest(Path(path).read_text(errors="replace")) == generated_digest:
                Path(path).unlink()
        kept += [path for path in dict.fromkeys((*record.generated, *record.answer_files)) if Path(path).is_file()]
        record.path.unlink()
        # Which of the two was known when the passwords were made is not known.
        for owner in filter(None, (record.identity.machine_id, record.identity.host_key)):
            password_file(record.address, owner).unlink(missing_ok=True)
    password_file(address).unlink(missing_ok=True)
    return kept
