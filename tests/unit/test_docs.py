"""The pages: both languages have the same commands, links, paths and commands exist, lines are short."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Set, Tuple

import click
import pytest

from packstack_lite import deployment, profiles
from packstack_lite.answers import PARAMETERS
from packstack_lite.cli.app import cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name != "reference.md"  # written by docs/reference.py; its tables come from the tool
)
TRANSLATIONS = (("README.md", "README.zh.md"), ("docs/tutorial.md", "docs/tutorial.zh.md"))
# The pages whose commands a reader types.
COMMAND_PAGES = ("README.md", "docs/tutorial.md", "docs/how-to.md", "README.zh.md", "docs/tutorial.zh.md")
LONGEST_LINE = 100
# Where a path in a page may begin; pages leave out the package's name.
PATH_ROOTS = ("", "packstack_lite", "packstack_lite/services", "docs", "tests/hosts", "tests/hosts/data")


class Line(NamedTuple):
    number: int
    text: str
    is_code: bool


def read_lines(text: str) -> Iterator[Line]:
    """Yield the lines of a page; fences and lines that are indented by four spaces after a blank line are code."""
    in_fence = in_block = False
    after_blank = True
    for number, line in enumerate(text.split("\n"), start=1):
        if line.lstrip().startswith("```"):
            in_fence = not in_fence
            yield Line(number, line, True)
            continue
        if not line.strip():
            after_blank = True
            yield Line(number, line, in_fence)
            continue
        in_block = line.startswith("    ") and (in_block or after_blank)
        after_blank = False
        yield Line(number, line, in_fence or in_block)


def code_lines(text: str) -> List[Line]:
    """Return the lines of code, without fences and blank lines, each without its comment."""
    return [
        line._replace(text=re.sub(r"(?:^|\s+)#\s.*$", "", line.text).rstrip())
        for line in read_lines(text)
        if line.is_code and line.text.strip() and not line.text.lstrip().startswith("```")
    ]


def compare_code(english: str, english_text: str, other: str, other_text: str) -> List[str]:
    """Return a sentence for the first line of code in which two pages differ."""
    ours, theirs = code_lines(english_text), code_lines(other_text)
    for mine, yours in zip(ours, theirs):
        if mine.text != yours.text:
            return [
                f"{other}:{yours.number}: the code differs from {english}:{mine.number}: "
                f"{yours.text.strip()!r} instead of {mine.text.strip()!r}"
            ]
    if len(ours) == len(theirs):
        return []
    page, extra = (english, ours[len(theirs)]) if len(ours) > len(theirs) else (other, theirs[len(ours)])
    return [f"{page}:{extra.number}: the other language lacks this line of code: {extra.text.strip()!r}"]


def find_long_lines(page: str, text: str) -> List[str]:
    """Return a sentence for each line of prose that is too long; tables, code and long links are exempt."""
    return [
        f"{page}:{line.number}: {len(line.text)} characters of prose, {LONGEST_LINE} at most"
        for line in read_lines(text)
        if len(line.text) > LONGEST_LINE
        and not line.is_code
        and not line.text.lstrip().startswith("|")
        and max(map(len, line.text.split()), default=0) < LONGEST_LINE - 4
    ]


def anchors_of(text: str) -> Set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = [line.text for line in read_lines(text) if not line.is_code and line.text.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-") for heading in headings}


def find_broken_links(root: Path, path: Path) -> List[str]:
    """Return a sentence for each relative link of a page whose file or heading does not exist."""
    page = path.relative_to(root)
    problems = []
    for line in read_lines(path.read_text(encoding="utf-8")):
        if line.is_code:
            continue
        prose = re.sub(r"`[^`]*`", "", line.text)
        for link in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            if not target.exists():
                problems.append(f"{page}:{line.number}: the link {link} leads to no file")
            elif anchor and anchor not in anchors_of(target.read_text(encoding="utf-8")):
                problems.append(f"{page}:{line.number}: {name or page} has no heading for the link {link}")
    return problems


def find_missing_paths(root: Path, page: str, text: str) -> List[str]:
    """Return a sentence for each path of the source tree, between backquotes, that does not exist."""
    problems = []
    for line in read_lines(text):
        for path in re.findall(r"`([a-z_]+/[\w./-]+\.(?:py|md|yaml|sh|json|c|config)|[a-z_]+/[a-z_/]+/)`", line.text):
            is_known = not path.startswith("mine/") and not re.search(r"[A-Z]{4}", path)
            if is_known and not any((root / start / path).exists() for start in PATH_ROOTS):
                problems.append(f"{page}:{line.number}: {path} does not exist; name the file where it is now")
    return problems


def find_headings_in_lower_case(page: str, text: str) -> List[str]:
    """Return a sentence for each heading that is not in sentence case."""
    problems = []
    for line in read_lines(text):
        if line.is_code or not line.text.startswith("#"):
            continue
        first = line.text.lstrip("#").strip()[:1]
        if not first.isupper():
            problems.append(f"{page}:{line.number}: the heading begins with {first!r}; write it in sentence case")
    return problems


def list_commands(group: click.Group, prefix: Tuple[str, ...] = ()) -> Dict[Tuple[str, ...], click.Command]:
    """Return every command below a group, by the words that call it."""
    commands: Dict[Tuple[str, ...], click.Command] = {}
    for name, command in group.commands.items():
        words = (*prefix, name)
        commands[words] = command
        if isinstance(command, click.Group):
            commands.update(list_commands(command, words))
    return commands


def list_options() -> Set[str]:
    """Return every option of every command, the parameters' flags included."""
    commands = [cli, *list_commands(cli).values()]
    options = {name for command in commands for option in command.params for name in option.opts}
    options |= {name for command in commands for option in command.params for name in option.secondary_opts}
    return options | {f"--{parameter.flag}" for parameter in PARAMETERS} | {"--help", "--help-all", "--version"}


def find_unknown_commands(page: str, text: str) -> List[str]:
    """Return a sentence for each command line of ours with a verb or an option that the tool does not have."""
    commands, options = list_commands(cli), list_options()
    problems = []
    for line in joined_lines(text):
        for words in command_words(line):
            if words[0][:1].isalpha() and words[0].islower() and (words[0],) not in commands:
                problems.append(f"{page}:{line.number}: packstack-lite has no verb {words[0]}")
            sub_verb = words[1] if len(words) > 1 and words[1].isalpha() else ""
            if sub_verb and isinstance(commands.get((words[0],)), click.Group) and tuple(words[:2]) not in commands:
                problems.append(f"{page}:{line.number}: packstack-lite {words[0]} has no command {sub_verb}")
            for word in words:
                name = word.split("=", 1)[0]
                if re.fullmatch(r"--[a-z][\w-]*", name) and not is_option(name, options):
                    problems.append(f"{page}:{line.number}: packstack-lite has no option {name}")
    return problems


def is_option(name: str, options: Set[str]) -> bool:
    """Return whether the tool has this option, or takes it as the abbreviation of one."""
    return name in options or len([option for option in options if option.startswith(name)]) == 1


def joined_lines(text: str) -> Iterator[Line]:
    """Yield code with continued lines joined, and prose as it is."""
    pending = None
    for line in read_lines(text):
        if pending is not None:
            line = pending._replace(text=pending.text[:-1] + line.text.lstrip())
            pending = None
        if line.is_code and line.text.endswith("\\"):
            pending = line
            continue
        yield line


def command_words(line: Line) -> Iterator[List[str]]:
    """Yield the arguments of each call of packstack-lite in a line: in code, or between backquotes."""
    spans = [line.text] if line.is_code else re.findall(r"`([^`]+)`", line.text)
    for span in spans:
        without_comment = re.sub(r"\s#\s.*$", "", span)
        for call in re.findall(r"(?:^|[\s/=]|\$ )packstack-lite\s+([^|;>&]+)", without_comment):
            yield call.split()
        if not line.is_code and re.match(r"--[a-z]", span):
            yield span.split()


@pytest.mark.parametrize("english, other", TRANSLATIONS)
def test_both_languages_have_the_same_code(english: str, other: str) -> None:
    problems = compare_code(english, read(english), other, read(other))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("english, other", TRANSLATIONS)
def test_both_languages_link_to_each_other_in_their_first_lines(english: str, other: str) -> None:
    for page, target in ((english, other), (other, english)):
        first_lines = "\n".join(read(page).split("\n")[:5])
        assert f"({Path(target).name})" in first_lines, f"{page}:1: the first five lines do not link to {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_of_prose_are_short(path: Path) -> None:
    problems = find_long_lines(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("path", [*PAGES, ROOT / "docs/reference.md"], ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(path: Path) -> None:
    problems = find_broken_links(ROOT, path)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    "path", [path for path in PAGES if path.parent != ROOT], ids=lambda path: str(path.relative_to(ROOT))
)
def test_paths_of_the_source_tree_exist(path: Path) -> None:
    problems = find_missing_paths(ROOT, str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    assert not problems, "\n".join(problems)


def test_each_decision_has_a_number_of_its_own() -> None:
    """Helpers that work side by side take the same next number; the heading repeats the file's."""
    paths = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    numbers = [path.name[:4] for path in paths]
    assert sorted(set(numbers)) == numbers and len(numbers) >= 20
    headings = {path.name: path.read_text().partition("\n")[0] for path in paths}
    assert [name for name, heading in headings.items() if not heading.startswith(f"# {name[:4]}: ")] == []


def test_headings_of_the_how_to_are_in_sentence_case() -> None:
    problems = find_headings_in_lower_case("docs/how-to.md", read("docs/how-to.md"))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("page", COMMAND_PAGES)
def test_commands_and_options_exist(page: str) -> None:
    problems = find_unknown_commands(page, read(page))
    assert not problems, "\n".join(problems)


def test_each_check_finds_what_it_is_for(tmp_path: Path) -> None:
    """A check that finds nothing anywhere would pass as well."""
    assert compare_code("a", "    ls # all\n", "b", "    ls # 全部\n") == []
    assert "b:1: the code differs from a:1" in compare_code("a", "    ls\n", "b", "    rm\n")[0]
    assert "a:2: the other language lacks" in compare_code("a", "    ls\n    rm\n", "b", "    ls\n")[0]
    assert find_long_lines("a", "word " * 21) == ["a:1: 105 characters of prose, 100 at most"]
    assert find_long_lines("a", "    " + "word " * 21 + "\n| " + "word " * 21) == []
    assert find_headings_in_lower_case("a", "# A\n## see\n") == [
        "a:2: the heading begins with 's'; write it in sentence case"
    ]
    page = tmp_path / "a.md"
    page.write_text("# A title\n[x](gone.md) [y](#a-title) [z](#other)\n", encoding="utf-8")
    assert [problem.split(":", 2)[2] for problem in find_broken_links(tmp_path, page)] == [
        " the link gone.md leads to no file",
        " a.md has no heading for the link #other",
    ]
    assert find_missing_paths(ROOT, "a", "`engine/plan.py` and\n`engine/lanes.py`") == [
        "a:2: engine/lanes.py does not exist; name the file where it is now"
    ]
    wrong = "    packstack-lite mend --host x\n    packstack-lite sandbox grow\n`packstack-lite apply --quick`\n"
    assert find_unknown_commands("a", wrong) == [
        "a:1: packstack-lite has no verb mend",
        "a:2: packstack-lite sandbox has no command grow",
        "a:3: packstack-lite has no option --quick",
    ]


def read(page: str) -> str:
    """Return the text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def find_unnamed(page: str, text: str, names: Iterable[str]) -> List[str]:
    """Return a sentence for each name that a page does not have between backquotes."""
    return [f"{page}: add a row for `{name}`" for name in names if f"`{name}`" not in text]


@pytest.mark.parametrize("page", ["README.md", "README.zh.md", "docs/tested.md"])
def test_every_profile_is_in_the_pages_of_what_has_run(page):
    sentences = find_unnamed(page, (ROOT / page).read_text(encoding="utf-8"), profiles.list_names())
    assert not sentences, "\n".join(sentences)


def find_unused_verbs(page: str, text: str, verbs: Iterable[str]) -> List[str]:
    """Return a sentence for each verb of which a page has no command line."""
    return [
        f"{page}: show a command of the verb {verb}"
        for verb in verbs
        if not re.search(rf"packstack-lite (?:\S+ )*{verb}\b|`{verb}\b", text)
    ]


def test_the_how_to_shows_every_verb():
    sentences = find_unused_verbs("docs/how-to.md", read("docs/how-to.md"), cli.commands)
    assert not sentences, "\n".join(sentences)


def test_a_verb_that_a_page_does_not_show_is_named():
    assert find_unused_verbs("x.md", "    packstack-lite --host a plan\n`apply --host a`", ["plan", "apply"]) == []
    assert find_unused_verbs("x.md", "the nodes", ["nodes"]) == ["x.md: show a command of the verb nodes"]


def find_unnamed_exports(page: str, text: str, names: Iterable[str]) -> List[str]:
    """Return a sentence for each name of the Python API that a page does not have as a word."""
    return [f"{page}: describe {name}" for name in names if not re.search(rf"\b{name}\b", text)]


def test_the_page_of_the_python_api_names_every_export():
    sentences = find_unnamed_exports("docs/api.md", read("docs/api.md"), deployment.__all__)
    assert not sentences, "\n".join(sentences)


def test_an_export_that_a_page_lacks_is_named():
    assert find_unnamed_exports("x.md", "`load_answers(sources)`", ["load_answers"]) == []
    assert find_unnamed_exports("x.md", "list_nodes_of", ["list_nodes"]) == ["x.md: describe list_nodes"]


def test_every_file_of_facts_is_in_their_page():
    page = ROOT / "tests" / "facts" / "README.md"
    names = [path.name for path in page.parent.iterdir() if path.is_file() and path != page]
    sentences = find_unnamed("tests/facts/README.md", page.read_text(encoding="utf-8"), sorted(names))
    assert names and not sentences, "\n".join(sentences)


def test_a_profile_that_a_page_lacks_is_named():
    assert find_unnamed("x.md", "Debian (`debian13-epoxy`), ubuntu2404-caracal", ["debian13-epoxy"]) == []
    assert find_unnamed("x.md", "ubuntu2404-caracal", ["ubuntu2404-caracal"]) == [
        "x.md: add a row for `ubuntu2404-caracal`"
    ]
