# mypy: ignore-errors
"""Says which of the options named on standard input no service of this host knows.

Standard input is JSON: ``options`` as [section, name, where it was given], ``lists`` as patterns
of option lists' names. No value of an option comes here. The judge is oslo-config-validator, fed
with the names alone; where it is not there or fails itself, that is told and nothing refused.
Runs on the host, on Python 2.7 and 3.
"""

import difflib
import fnmatch
import json
import subprocess
import sys

# The tool tells the person about lines of a step's output that begin like this.
REMARK = "packstack-lite remarks: "

# The validator remarks every option of this section that it misses, auth_type too.
AUTH = ("keystone_authtoken", "auth_type")


def installed_lists():
    """The names of the option lists that the installed code brings."""
    try:
        from importlib import metadata
    except ImportError:
        import pkg_resources

        return sorted({entry.name for entry in pkg_resources.iter_entry_points("oslo.config.opts")})
    found = metadata.entry_points()
    group = found.select(group="oslo.config.opts") if hasattr(found, "select") else found.get("oslo.config.opts", ())
    return sorted({entry.name for entry in group})


def tell(text):
    """Print a line, whatever the locale."""
    getattr(sys.stdout, "buffer", sys.stdout).write(text.encode("utf-8") + b"\n")


def run(words, text=""):
    """Exit code and everything a program prints; raises OSError when it is not there."""
    made = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = made.communicate(text.encode("utf-8"))[0].decode("utf-8", "replace")
    return made.returncode, said


def ask(sections, lists):
    """What the validator prints about these sections' options, line by line, and its exit code."""
    words = ["oslo-config-validator", "--input-file", "/dev/stdin"]
    words += [word for name in lists for word in ("--namespace", name)]
    parts = ["[%s]\n%s" % (section, "".join("%s =\n" % name for name in names)) for section, names in sections.items()]
    code, said = run(words, "".join(parts))
    return code, said.splitlines()


def spellings(section):
    """How a list may spell a section, which counts in any case."""
    return (section,) if section == "DEFAULT" else (section, section.upper())


def is_refused(section, name, lines):
    """Whether the validator has complained of an option; of some sections it only remarks it."""
    begins = (
        "ERROR:root:%s/%s " % (section, name),
        'INFO:root:Ignoring missing option "%s" from group "%s"' % (name, section),
    )
    return any(line.startswith(begins) for line in lines)


def refused(options, lists):
    """The options (section, name) that the validator does not know; None, with the reason, if it cannot tell."""
    sections = {}
    for section, name, _ in options:
        for spelling in spellings(section):
            # auth_type besides: a section that has it takes the options of keystoneauth's plugins too.
            sections.setdefault(spelling, {"auth_type"}).add(name)
    try:
        code, lines = ask(sections, lists)
    except OSError as error:
        return None, "oslo-config-validator cannot be run here: %s" % error.strerror
    if code and not any(line.startswith("ERROR:root:") for line in lines):
        return None, "oslo-config-validator failed: %s" % (lines[-1] if lines else "exit code %d" % code)
    tell_of_old_names(options, lines)
    every = {(section, name) for section, one, _ in options for name in (one, "auth_type")}
    return {(s, n) for s, n in every if all(is_refused(spelling, n, lines) for spelling in spellings(s))}, ""


def tell_of_old_names(options, lines):
    """Options that still count under a name that will go."""
    for section, name, where in options:
        if any("WARNING:root:Deprecated opt %s/%s found" % (one, name) in lines for one in spellings(section)):
            tell("%s%s: [%s] %s is an old name of an option, which will go" % (REMARK, where, section, name))


def plugin_options():
    """What keystoneauth's plugins take; the validator's lists hold only a part of it."""
    try:
        from keystoneauth1 import loading
    except ImportError:
        return set()
    loaders = loading.get_available_plugin_loaders().values()
    return {option.dest for loader in loaders for option in loader.get_options()}


def known_names(lists):
    """Every option by its section, for the nearest name; {} where they cannot be had."""
    words = ["oslo-config-generator", "--format", "json", "--output-file", "/dev/stdout"]
    try:
        said = run(words + [word for name in lists for word in ("--namespace", name)])[1]
        groups = json.loads(said[said.index("{") :])["options"]
    except (OSError, ValueError, KeyError):
        return {}
    return {group: [one.get("dest") or one["name"] for one in told["opts"]] for group, told in groups.items()}


def advice(section, name, known):
    """The nearest name, or the sections that have an option of this name."""
    if not known:
        return ""
    near = difflib.get_close_matches(name, known.get(section, ()), 1, 0.75)
    homes = sorted(group for group in known if name in known[group])
    sections = difflib.get_close_matches(section, known, 1, 0.75)
    if near:
        return "; did you mean %s?" % near[0]
    if homes:
        return "; [%s] has one of this name" % "], [".join(homes[:3])
    if section not in known:
        return "; there is no section [%s]%s" % (section, ", did you mean [%s]?" % sections[0] if sections else "")
    return ""


def main():
    asked = json.load(sys.stdin)
    lists = [name for name in installed_lists() if any(fnmatch.fnmatch(name, like) for like in asked["lists"])]
    found, why = refused(asked["options"], lists)
    if found is None:
        tell("%s%s: the options were not checked: %s" % (REMARK, asked["file"], why))
        return 0
    if found:
        known = plugin_options()
        found = {(s, n) for s, n in found if n not in known or (s, "auth_type") in found - {AUTH}}
    wrong = [one for one in asked["options"] if (one[0], one[1]) in found]
    known = known_names(lists) if wrong else {}
    for section, name, where in wrong:
        what = "[%s] %s is no option of %s" % (section, name, asked["file"])
        tell("%s: %s%s" % (where, what, advice(section, name, known)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
