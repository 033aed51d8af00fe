# mypy: ignore-errors
"""Report options that no service on this node knows. Standard input is JSON.

``options`` is a list of [section, name, where it was given], ``lists`` are patterns of names of option lists.
Values of options are not sent. oslo-config-validator decides, from the names alone. Where it is not installed or
fails, a warning says so and no option is refused. Runs on the node, on Python 2.7 and 3.
"""

import difflib
import fnmatch
import json
import subprocess
import sys

# RunOnce reports lines of a job's output that begin like this as warnings.
WARNING_PREFIX = "packstack-lite warning: "

# The validator reports every option of this section that is missing, auth_type included.
AUTH = ("keystone_authtoken", "auth_type")


def installed_lists():
    """Return the names of the option lists of the installed services."""
    try:
        from importlib import metadata
    except ImportError:
        import pkg_resources

        return sorted({entry.name for entry in pkg_resources.iter_entry_points("oslo.config.opts")})
    entries = metadata.entry_points()
    is_selectable = hasattr(entries, "select")
    group = entries.select(group="oslo.config.opts") if is_selectable else entries.get("oslo.config.opts", ())
    return sorted({entry.name for entry in group})


def write_line(text):
    """Print a line as UTF-8, in any locale."""
    getattr(sys.stdout, "buffer", sys.stdout).write(text.encode("utf-8") + b"\n")


def run(words, text=""):
    """Run a program; return its exit code and output.

    Raises OSError if the program is missing.
    """
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.communicate(text.encode("utf-8"))[0].decode("utf-8", "replace")
    return process.returncode, output


def run_validator(sections, lists):
    """Run the validator on options without values; return its exit code and lines."""
    words = ["oslo-config-validator", "--input-file", "/dev/stdin"]
    words += [word for name in lists for word in ("--namespace", name)]
    parts = ["[%s]\n%s" % (section, "".join("%s =\n" % name for name in names)) for section, names in sections.items()]
    code, output = run(words, "".join(parts))
    return code, output.splitlines()


def spellings(section):
    """Return the spellings of a section in option lists, which are not case-sensitive."""
    return (section,) if section == "DEFAULT" else (section, section.upper())


def is_refused(section, name, lines):
    """Return whether the validator refuses an option.

    In some sections it reports one at level INFO only.
    """
    prefixes = (
        "ERROR:root:%s/%s " % (section, name),
        'INFO:root:Ignoring missing option "%s" from group "%s"' % (name, section),
    )
    return any(line.startswith(prefixes) for line in lines)


def find_refused(options, lists):
    """Return the options (section, name) that the validator refuses, and "".

    If the validator cannot decide, return None and the reason.
    """
    sections = {}
    for section, name, _ in options:
        for spelling in spellings(section):
            # With auth_type, a section also takes the options of keystoneauth's plugins.
            sections.setdefault(spelling, {"auth_type"}).add(name)
    try:
        code, lines = run_validator(sections, lists)
    except OSError as error:
        return None, "oslo-config-validator cannot be run here: %s" % error.strerror
    if code and not any(line.startswith("ERROR:root:") for line in lines):
        return None, "oslo-config-validator failed: %s" % (lines[-1] if lines else "exit code %d" % code)
    warn_of_old_names(options, lines)
    candidates = {(section, name) for section, one, _ in options for name in (one, "auth_type")}
    return {(s, n) for s, n in candidates if all(is_refused(spelling, n, lines) for spelling in spellings(s))}, ""


def warn_of_old_names(options, lines):
    """Print a warning for each option whose name is deprecated."""
    for section, name, where in options:
        if any("WARNING:root:Deprecated opt %s/%s found" % (one, name) in lines for one in spellings(section)):
            text = "%s%s: [%s] %s is an old name of an option, which will go"
            write_line(text % (WARNING_PREFIX, where, section, name))


def plugin_options():
    """Return the options of keystoneauth's plugins.

    The option lists hold only a part of them.
    """
    try:
        from keystoneauth1 import loading
    except ImportError:
        return set()
    loaders = loading.get_available_plugin_loaders().values()
    return {option.dest for loader in loaders for option in loader.get_options()}


def known_names(lists):
    """Return every option by its section, for suggestions; {} if the generator fails."""
    words = ["oslo-config-generator", "--format", "json", "--output-file", "/dev/stdout"]
    try:
        output = run(words + [word for name in lists for word in ("--namespace", name)])[1]
        groups = json.loads(output[output.index("{") :])["options"]
    except (OSError, ValueError, KeyError):
        return {}
    return {name: [one.get("dest") or one["name"] for one in group["opts"]] for name, group in groups.items()}


def suggest(section, name, known):
    """Return a hint: the closest name, or the sections that have this option."""
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
    """Check the options on standard input; return 1 if one is unknown."""
    request = json.load(sys.stdin)
    lists = [name for name in installed_lists() if any(fnmatch.fnmatch(name, like) for like in request["lists"])]
    refused, reason = find_refused(request["options"], lists)
    if refused is None:
        write_line("%s%s: the options were not checked: %s" % (WARNING_PREFIX, request["file"], reason))
        return 0
    if refused:
        known = plugin_options()
        refused = {(s, n) for s, n in refused if n not in known or (s, "auth_type") in refused - {AUTH}}
    wrong = [one for one in request["options"] if (one[0], one[1]) in refused]
    known = known_names(lists) if wrong else {}
    for section, name, where in wrong:
        problem = "[%s] %s is no option of %s" % (section, name, request["file"])
        write_line("%s: %s%s" % (where, problem, suggest(section, name, known)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
