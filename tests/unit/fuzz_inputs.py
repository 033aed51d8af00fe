"""The fuzzer's targets on the user's machine: a strategy of ``fuzz.Input`` for each kind of file and argument.

Each damages one valid text; the rest of the run is as it should be. Used by ``test_fuzz``.
"""

from __future__ import annotations

import base64
import json
import struct
from typing import Any, Dict, Mapping, Sequence

import paramiko
from hypothesis import strategies as st

from packstack_lite.answers import PARAMETERS
from packstack_lite.answers.legacy.history import load_old_parameters
from packstack_lite.preflight import CHECKS
from tests.unit.damage import damaged
from tests.unit.fuzz import ADDRESS, Input
from tests.unit.test_damaged_ssh_files import CONFIG
from tests.unit.test_injection import SAMPLES

HOST = ("--host", f"root@{ADDRESS}")
STATE = ".local/state/packstack-lite"
MACHINE = "0123456789abcdef0123456789abcdef"
# What a terminal obeys or hides, what a shell would run, what parsers of names, numbers, addresses and JSON stumble
# over.
PIECES = (
    "\x1b[2J", "\x1b]0;x\x07", "\x9b31m", "\r", "\b", "\u202e", "\u2028", "\x85", "\x0b", "\x1c", "\ud800", "\udcff",
    "$(touch pwned)", "`id`", ";id", "|id", "../", "/", "~", "~nobody/", "%s", "{0}", "{{ 1 }}", "[red]", "[/]", "=",
    ":", ",", ",,", "::", " ", "\t", "\n", '"', "'", "\\", "#", "-", "--", "@", "*", "?", "[", "]", "{", "}", "..", ".",
    "\u00b2", "\u0663", "\u0130", "\u00df", "1e999", "nan", "-1", "0x1", "1_0", "99999999999999999999", "9" * 5000,
    "null", "true", "[]", "{}", "a" * 64, "a" * 300, "x..y", "xn--a", "::1", "fe80::1%eth0", "0.0.0.0/0", "1.2.3.4/99",
)  # fmt: skip


@st.composite
def _mutate_text(draw: st.DrawFn, valid: Sequence[str]) -> str:
    text = draw(st.sampled_from(valid))
    for _ in range(draw(st.integers(1, 3))):
        first, last = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        piece = draw(st.sampled_from(PIECES) | st.text(max_size=3) | st.sampled_from(valid))
        text = text[:first] + piece + text[draw(st.sampled_from((first, last))) :]
    return text


def texts(*valid: str) -> st.SearchStrategy[str]:
    """Valid texts, these changed in one to three places, and texts of pieces alone."""
    pieces = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
    return st.sampled_from(valid) | _mutate_text(valid) | _mutate_text(valid) | pieces


@st.composite
def _inflate(draw: st.DrawFn, valid: Sequence[bytes], size: int) -> bytes:
    data = draw(damaged(*valid))
    first = draw(st.integers(0, max(0, len(data) - 1)))
    part = data[first : first + draw(st.integers(1, 40))] or b"x"
    return data[:first] + part * (draw(st.integers(1, size)) // len(part)) + data[first:]


def contents(*valid: bytes, size: int = 900_000) -> st.SearchStrategy[bytes]:
    """Damaged files; in one of four a part is repeated, up to ``size`` bytes."""
    return damaged(*valid) | damaged(*valid) | damaged(*valid) | _inflate(valid, size)


def decoded(*valid: str, size: int = 200_000) -> st.SearchStrategy[str]:
    """Damaged texts, decoded as the root shell does."""
    return contents(*(text.encode() for text in valid), size=size).map(lambda data: data.decode(errors="replace"))


# Answers.

NAMES = [parameter.name for parameter in PARAMETERS]
OLD_NAMES = sorted(load_old_parameters())
BOUNDARIES = ("", "0", "-1", "65536", "1.5", "y", "yes", "198.18.1.10", "10.0.0.0/24", "2001:db8::/64", "a:b", "%{::x}")


@st.composite
def answers(draw: st.DrawFn, names: Sequence[str]) -> "tuple[str, str]":
    """A parameter, often known, and a text for it, often nearly valid."""
    name = draw(st.sampled_from(names) | st.sampled_from(names) | st.sampled_from(OLD_NAMES) | texts(*names[:5]))
    parameter = next((one for one in PARAMETERS if one.name == name), None)
    words = [*BOUNDARIES, SAMPLES.get(name, "")]
    words += [parameter.default, *parameter.choices] if parameter else []
    return name, draw(texts(*words))


def to_answer_file(pairs: Sequence["tuple[str, str]"], controller: str) -> bytes:
    lines = ["[general]", f"CONFIG_CONTROLLER_HOST={controller}", *(f"{name}={text}" for name, text in pairs)]
    return "\n".join(lines).encode(errors="surrogateescape" if _is_bytes(lines) else "replace")


def _is_bytes(lines: Sequence[str]) -> bool:
    return not any("\ud800" <= char < "\udc80" for line in lines for char in line)


@st.composite
def answer_files(draw: st.DrawFn) -> bytes:
    """A file of a few answers, seldom damaged otherwise."""
    controller = draw(st.sampled_from((ADDRESS, ADDRESS, ADDRESS, "cloud")) | texts(ADDRESS, "cloud"))
    content = to_answer_file(draw(st.lists(answers(NAMES), max_size=6)), controller)
    return draw(st.just(content) | st.just(content) | contents(content))


PROFILES = ("debian12-zed", "debian13-epoxy", "centos7-train", "centos9s-epoxy")
FILE_COMMANDS = (
    ("--validate-answer-file=@/a.txt",),
    ("answers", "show", "--answer-file", "@/a.txt"),
    ("answers", "show", "--changed", "--answer-file", "@/a.txt", "--output=json"),
    # Into a pipe it writes the text as it is.
    ("answers", "migrate", "@/a.txt", "@/new.txt"),
    ("answers", "diff", "@/a.txt", "@/b.txt"),
    ("preflight", "--answer-file", "@/a.txt"),
    ("--gen-answer-file=@/new.txt", "--answer-file", "@/a.txt"),
)


@st.composite
def answer_file_runs(draw: st.DrawFn) -> Input:
    """Verbs that read an answer file."""
    files = {"a.txt": draw(answer_files()), "b.txt": to_answer_file([("CONFIG_DEBUG_MODE", "y")], ADDRESS)}
    return Input(draw(st.sampled_from(FILE_COMMANDS)), files)


@st.composite
def render_runs(draw: st.DrawFn) -> Input:
    """Render and explain with answers of which most are valid."""
    files = {"a.txt": to_answer_file(draw(st.lists(answers(NAMES), max_size=3)), ADDRESS)}
    verb = draw(st.sampled_from((("render", "--output", "@/out"), ("explain", "nova.conf"))))
    return Input((*verb, "--answer-file", "@/a.txt", "--profile", draw(st.sampled_from(PROFILES))), files)


@st.composite
def earlier_runs(draw: st.DrawFn) -> Input:
    """Answer files and records of earlier deployments, found by themselves."""
    record: Dict[str, Any] = {
        "machine_id": MACHINE, "address": ADDRESS, "host_key": "ab", "names": ["cloud"], "sandbox": "", "time": 1.5,
        "answer_files": ["/nowhere/a.txt"], "generated": {"/nowhere/a.txt": "ab"}, "overrides": ["CONFIG_DEBUG_MODE"],
    }  # fmt: skip
    for name in draw(st.lists(st.sampled_from(sorted(record)), max_size=2)):
        values = texts("", ADDRESS) | st.none() | st.floats() | st.lists(texts(ADDRESS)) | st.just({"a": "b"})
        record[name] = draw(values)
    content = json.dumps(record).encode()
    files = {
        f"{STATE}/node-records/{MACHINE}.json": draw(st.just(content) | contents(content)),
        "packstack-answers-20260101-120000.txt": draw(answer_files()),
    }
    return Input(draw(st.sampled_from((("preflight", *HOST), ("preflight",), ("apply", *HOST, *IGNORE)))), files)


def _arguments_of_set(pairs: Sequence["tuple[str, str]"], as_flags: bool) -> "tuple[str, ...]":
    flags = {parameter.name: parameter.flag for parameter in PARAMETERS}
    # execve(2) passes no NUL.
    words = [
        f"--{flags[name]}={text}" if as_flags and flags.get(name) else f"--set={name}={text}" for name, text in pairs
    ]
    return tuple(word.replace("\0", "") for word in words)


@st.composite
def setting_runs(draw: st.DrawFn) -> Input:
    """--set and the options of parameters."""
    given = _arguments_of_set(draw(st.lists(answers(NAMES), min_size=1, max_size=4)), draw(st.booleans()))
    verb = draw(st.sampled_from((("answers", "show", "--changed"), ("preflight", *HOST), ("preflight",))))
    return Input((*verb, *given))


OPTIONS = (
    "--host", "--sandbox", "--distro", "--kind", "--ssh-key", "--ssh-config", "--config-dir", "--ignore", "--output",
    "--color", "--timeout", "--answer-file", "--set", "--profile", "--only", "--from", "--exit-code", "--diff", "-d",
    "--install-hosts", "--gen-answer-file", "--validate-answer-file", "-y", "-o", "--accept-new", "--os-neutron", "-h",
)  # fmt: skip
WORDS = (
    "preflight", "plan", "verify", "answers", "show", "diff", "migrate", "render", "explain", "smoke", "completion",
    "sandbox", "list", f"root@{ADDRESS}:22", ADDRESS, "cloud", "@/a.txt", "aio", "nova.conf", "bash", "json",
)  # fmt: skip


@st.composite
def command_lines(draw: st.DrawFn) -> Input:
    """Any words of a command line, but none that makes a sandbox."""
    pairs = st.tuples(st.sampled_from(OPTIONS), texts(*WORDS)).map(lambda pair: "=".join(pair))
    words = draw(st.lists(st.sampled_from(WORDS) | st.sampled_from(OPTIONS) | pairs | texts(*WORDS), max_size=6))
    safe = [word.replace("\0", "") for word in words if word not in ("up", "down", "--allinone")]
    return Input(tuple(safe), {"a.txt": to_answer_file([], ADDRESS)})


@st.composite
def environment_runs(draw: st.DrawFn) -> Input:
    """Variables of answers, of directories and of the terminal."""
    pairs = draw(st.lists(answers(NAMES), max_size=4))
    others = draw(
        st.dictionaries(st.sampled_from(("TERM", "COLUMNS", "LINES", "LANG", "NO_COLOR")), texts("80", "xterm"))
    )
    directories = draw(
        st.dictionaries(
            st.sampled_from(("XDG_STATE_HOME", "XDG_CONFIG_HOME", "TMPDIR")), texts("state", "a b"), max_size=1
        )
    )
    variables = {
        **{f"PACKSTACK_{name}": text for name, text in pairs},
        **others,
        **{name: f"@/{text}" for name, text in directories.items()},
    }
    # setenv(3): no NUL, no "=" in a name. Bytes that are not UTF-8 are the upper half of the surrogates.
    clean = {_to_os_text(name).replace("=", ""): _to_os_text(text) for name, text in variables.items()}
    return Input(
        draw(st.sampled_from((("answers", "show"), ("preflight", *HOST), ("apply", *HOST, *IGNORE)))), {}, clean
    )


def _to_os_text(text: str) -> str:
    """Return the text as the kernel could have passed it to a process."""
    return "".join(
        char for char in text if char != "\0" and not ("\ud800" <= char < "\udc80" or "\udcff" < char < "\ue000")
    )


# Files beside the answers.

CONFIG_NAMES = ("nova/nova.conf", "neutron/plugins/ml2/ml2_conf.ini", "nova/policy.yaml", "cinder/x.conf", "nova.conf")
OVERRIDES = (
    b"# mine\n[DEFAULT]\ndebug = true\n  more\n[database]\nconnection = mysql://a:b@c/d\n",
    b"[libvirt]\nvirt_type: kvm\npassword = x\n\tcontinued\n",
    b'"compute:create": "role:x"\n',
)


@st.composite
def config_dir_runs(draw: st.DrawFn) -> Input:
    """--config-dir: names and contents."""
    names = st.sampled_from(CONFIG_NAMES) | texts(*CONFIG_NAMES).map(lambda name: _to_os_text(name).replace("..", "_"))
    files = draw(st.dictionaries(names.map(lambda name: f"etc/{name}"), contents(*OVERRIDES), min_size=1, max_size=3))
    verb = draw(st.sampled_from((("plan", *HOST), ("render", "--output", "@/out"))))
    return Input((*verb, "--config-dir", "@/etc"), {"etc/nova/a": b"", **files})


def _public_key(kind: str) -> bytes:
    """Return a public key as known_hosts has it; of an RSA key no number has to be prime."""
    fields = [kind.encode(), *([b"\1\0\1", b"\0" + b"\xc1" * 128] if kind == "ssh-rsa" else [b"k" * 32])]
    return kind.encode() + b" " + base64.b64encode(b"".join(struct.pack(">I", len(one)) + one for one in fields))


ED25519, RSA = _public_key("ssh-ed25519"), _public_key("ssh-rsa")
SERVER_KEY = paramiko.RSAKey(data=base64.b64decode(RSA.split()[1]))
KNOWN_HOSTS = b"\n".join(
    [
        b"cloud,198.18.0.9 " + RSA,
        b"*.example.com,!bad.example.com " + ED25519 + b" a comment",
        b"|1|" + base64.b64encode(b"s" * 20) + b"|" + base64.b64encode(b"d" * 20) + b" " + RSA,
        b"@revoked * " + ED25519,
        b"@cert-authority *.example.org " + RSA,
        b"",
    ]
)
OVER_SSH = ("preflight", "--host", "root@cloud")


@st.composite
def known_hosts_runs(draw: st.DrawFn) -> Input:
    """~/.ssh/known_hosts, with a host key that is in it, changed, or new."""
    files = {".ssh/known_hosts": draw(contents(KNOWN_HOSTS, b"cloud " + RSA, b"*" * 40 + b"x " + RSA))}
    return Input((*OVER_SSH, *draw(st.sampled_from(((), ("--accept-new",))))), files, is_over_ssh=True)


@st.composite
def ssh_config_runs(draw: st.DrawFn) -> Input:
    """~/.ssh/config and --ssh-config, with private keys in place."""
    config = CONFIG.replace(b"  ProxyJump me@jump:2022,other\n", b"")
    keys = (b"Hostname", b"Port", b"User", b"IdentityFile", b"ProxyJump", b"HostKeyAlias", b"UserKnownHostsFile")
    lines = b"\n".join(
        key + draw(st.sampled_from((b" ", b"=", b"\t"))) + text.encode(errors="replace")
        for key, text in draw(st.lists(st.tuples(st.sampled_from(keys), texts("%h", "22", "~/.ssh/id")), max_size=3))
    )
    files = {
        ".ssh/config": draw(contents(config, CONFIG) | st.just(lines)),
        ".ssh/known_hosts": b"* " + RSA + b"\n",
        ".ssh/id_rsa": draw(st.sampled_from((b"", b"x")) | contents(b"-----BEGIN OPENSSH PRIVATE KEY-----\nAA==\n")),
    }
    return Input(OVER_SSH, files, is_over_ssh=True)


IGNORE = tuple(f"--ignore={name}" for name in CHECKS)
CLOUDS = (
    b"cache: {class: x}\nclouds:\n  prod:\n    auth: {auth_url: 'https://prod', password: x}\n",
    b"clouds: {a: !!int x, b: !!bool y, c: !!timestamp z}\n",
    b"a: &a [x, x]\nb: &b [*a, *a]\nclouds: {c: *b, d: {<<: {e: f}}}\n",
)


def clouds_yaml_runs() -> st.SearchStrategy[Input]:
    """clouds.yaml, to which apply adds its cloud."""
    # PyYAML's own loader takes a second for 100 kB.
    files = contents(*CLOUDS, size=60_000).map(lambda content: {".config/openstack/clouds.yaml": content})
    return files.map(lambda made: Input(("apply", *HOST, *IGNORE), made))


STORED = json.dumps(
    {"CONFIG_NOVA_KS_PW": "0a1b2c3d4e5f6a7b", "CONFIG_BARBICAN_KEK": "aGVsbG8gaGVsbG8gaGVsbG8="}
).encode()


def password_runs() -> st.SearchStrategy[Input]:
    """The stored passwords of a node."""
    files = contents(STORED).map(lambda content: {f"{STATE}/{ADDRESS}/passwords.json": content})
    return st.builds(lambda verb, made: Input((verb, *HOST), made), st.sampled_from(("preflight", "plan")), files)


@st.composite
def sandbox_runs(draw: st.DrawFn) -> Input:
    """The files of a sandbox: record, process number, host key."""
    record = {"name": "aio", "kind": "container", "distro": "debian12", "number": 1, "tree": "base-1", "layered": True}
    files = {
        "sandbox.json": draw(st.just(json.dumps(record).encode()) | contents(json.dumps(record).encode())),
        "pid": draw(contents(b"1\n", size=2000)),
        "known_hosts": draw(contents(b"198.18.5.2 " + RSA, b"198.18.5.2", b"198.18.5.2 \xff", size=2000)),
    }
    verb = draw(st.sampled_from((("sandbox", "list"), ("preflight", "--sandbox", "aio"))))
    return Input(verb, {f"sandboxes/sandboxes/aio/{name}": content for name, content in files.items()})


USER_TARGETS: Mapping[str, st.SearchStrategy[Input]] = {
    "answer file": answer_file_runs(),
    "answers that are rendered": render_runs(),
    "files of earlier runs": earlier_runs(),
    "--set": setting_runs(),
    "command line": command_lines(),
    "environment": environment_runs(),
    "--config-dir": config_dir_runs(),
    "known_hosts": known_hosts_runs(),
    "ssh config": ssh_config_runs(),
    "clouds.yaml": clouds_yaml_runs(),
    "password store": password_runs(),
    "sandbox": sandbox_runs(),
}
