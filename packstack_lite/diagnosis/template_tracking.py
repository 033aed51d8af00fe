"""Render a template so that each piece of text keeps its template line and reads.

Used by ``tracking``.

The template's syntax tree is changed before Jinja2 compiles it. Each output statement is wrapped in marks, characters
of Unicode's private use area with a number between them, which are taken out of the text afterwards.
Marks inside the text survive macros and includes, where the order of evaluation is not the order of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Sequence, Tuple, cast

import jinja2
from jinja2 import nodes

from packstack_lite.services._base.templating import make_environment

if TYPE_CHECKING:
    from packstack_lite.diagnosis.tracking import Reads, Tracker

_OPEN, _NUMBER_END, _CLOSE = "\ue000", "\ue001", "\ue002"
_TRACKING_METHODS = (
    "begin",
    "end",
    "open",
    "close",
    "enter_condition",
    "leave_condition",
    "note_call",
    "enter_macro",
    "leave_macro",
)
_MARK = re.compile(f"{_OPEN}(\\d+){_NUMBER_END}|{_CLOSE}")


@dataclass(frozen=True)
class TemplateLine:
    """A line of a template; ``number`` counts from 1."""

    template: str
    number: int


@dataclass(frozen=True)
class Condition:
    """An ``if`` or ``for`` around a piece of text, and what it read."""

    line: TemplateLine
    reads: Reads


@dataclass(frozen=True)
class Fragment:
    """A piece of rendered text with its template lines and reads.

    ``lines`` holds its own template line first, then the lines that called the macro it is in.
    """

    text: str
    lines: Tuple[TemplateLine, ...]
    reads: Reads
    conditions: Tuple[Condition, ...]


@dataclass
class _Site:
    """A tracked expression of a template.

    ``names`` are the variables in it, ``targets`` the variables that it is assigned to.
    """

    line: TemplateLine
    names: Tuple[str, ...] = ()
    targets: Tuple[str, ...] = ()


@dataclass
class _Call:
    """A macro call: the sites of its positional and keyword arguments."""

    positional: List[int] = field(default_factory=list)
    keywords: Dict[str, int] = field(default_factory=dict)


class _Catalog:
    """The instrumented templates of this process and their tracked parts.

    Templates are compiled once; while one is rendered, its calls go to the ``current`` TemplateTracker.
    """

    def __init__(self) -> None:
        self.sites: List[_Site] = []
        self.calls: List[_Call] = []
        self.macros: List[Tuple[str, ...]] = []
        self.current: TemplateTracker
        self.environment = make_environment(_TrackingEnvironment)
        for name in _TRACKING_METHODS:
            self.environment.globals[f"_track_{name}"] = self._forward(name)

    def _forward(self, name: str) -> Callable[..., Any]:
        """Return a function for templates that calls a method of the current tracker."""
        return lambda *arguments: getattr(self.current, name)(*arguments)

    def add_site(self, template: str, node: nodes.Node, names: Sequence[str], targets: Sequence[str] = ()) -> int:
        """Add a tracked expression and return its number."""
        self.sites.append(_Site(TemplateLine(template, node.lineno), tuple(names), tuple(targets)))
        return len(self.sites) - 1

    def add_call(self) -> Tuple[int, _Call]:
        """Add a macro call and return its number and its arguments, still empty."""
        self.calls.append(_Call())
        return len(self.calls) - 1, self.calls[-1]

    def add_macro(self, parameters: Sequence[str]) -> int:
        """Add a macro's parameters and return its number."""
        self.macros.append(tuple(parameters))
        return len(self.macros) - 1


class TemplateTracker:
    """Render a template once, into fragments that know what they come from.

    Each fragment of the text has its template lines and its reads: the answers, facts and profile entries that were
    read for it. ``explain`` shows them. ``reads_by_argument`` are the reads behind each value that is passed to the
    template; ``tracker`` notes those that happen while it is rendered.
    """

    def __init__(self, tracker: Tracker, reads_by_argument: Mapping[str, Reads]) -> None:
        self._tracker = tracker
        self._scopes: List[Dict[str, Reads]] = [dict(reads_by_argument)]
        self._latest_reads: Dict[int, Reads] = {}
        self._pending_call = _Call()
        self._conditions: List[Condition] = []
        self._fragments: List[Fragment] = []
        self._open_fragments: List[Tuple[int, int]] = []

    def render(self, template: str, **values: Any) -> Tuple[Fragment, ...]:
        """Render the template and return its text in fragments."""
        catalog = _catalog()
        catalog.current = self
        return tuple(self._split(catalog.environment.get_template(template).render(**values)))

    def _split(self, marked_text: str) -> List[Fragment]:
        """Take the marks out of a text."""
        pieces: List[Fragment] = []
        stack: List[int] = []
        position = 0
        for match in [*_MARK.finditer(marked_text), None]:
            text = marked_text[position : match.start() if match else len(marked_text)]
            if text:
                chain = [self._fragments[number] for number in reversed(stack)]
                lines = tuple(dict.fromkeys(fragment.lines[0] for fragment in chain))
                pieces.append(replace(chain[0], text=text, lines=lines))
            if match is None:
                break
            position = match.end()
            if match.group(1):
                stack.append(int(match.group(1)))
            else:
                stack.pop()
        return pieces

    # What the changed templates call while they are rendered.

    def begin(self, site: int) -> bool:
        """Begin to record the reads of the expression at a site; return True.

        The changed template calls it before the expression.
        """
        self._tracker.begin()
        return True

    def end(self, site_number: int, value: Any) -> Any:
        """End the record of a site's reads and return the expression's value unchanged."""
        site = _catalog().sites[site_number]
        reads = dict(self._tracker.end())
        for name in site.names:
            reads.update(self._scopes[-1].get(name, {}))
        self._latest_reads[site_number] = reads
        for target in site.targets:
            self._scopes[-1][target] = reads
        if self._open_fragments and self._open_fragments[-1][1] == site_number:
            self._fragments[self._open_fragments[-1][0]].reads.update(reads)
        return value

    def open(self, site_number: int) -> str:
        """Return the mark before a piece of text."""
        fragment = Fragment("", (_catalog().sites[site_number].line,), {}, tuple(self._conditions))
        self._fragments.append(fragment)
        self._open_fragments.append((len(self._fragments) - 1, site_number))
        return f"{_OPEN}{len(self._fragments) - 1}{_NUMBER_END}"

    def close(self) -> str:
        """Return the mark after a piece of text."""
        self._open_fragments.pop()
        return _CLOSE

    def enter_condition(self, *sites: int) -> str:
        """Enter a branch that depends on the tests at these sites."""
        reads: Reads = {}
        for site in sites:
            reads.update(self._latest_reads.get(site, {}))
        self._conditions.append(Condition(_catalog().sites[sites[-1]].line, reads))
        return ""

    def leave_condition(self) -> str:
        """Leave the innermost branch, which ``enter_condition`` entered."""
        self._conditions.pop()
        return ""

    def note_call(self, call_number: int, value: Any) -> Any:
        """Note which macro call is next, and return its last argument unchanged."""
        self._pending_call = _catalog().calls[call_number]
        return value

    def enter_macro(self, macro_number: int) -> str:
        """Bind the macro's parameters to the reads of the call's arguments."""
        parameters = _catalog().macros[macro_number]
        sites = {**dict(zip(parameters, self._pending_call.positional)), **self._pending_call.keywords}
        self._scopes.append({name: self._latest_reads.get(site, {}) for name, site in sites.items()})
        return ""

    def leave_macro(self) -> str:
        """Forget the macro's parameters."""
        self._scopes.pop()
        return ""


class _TrackingEnvironment(jinja2.Environment):
    """The environment whose templates report to the catalog's current tracker."""

    def _parse(self, source: str, name: Any, filename: Any) -> nodes.Template:
        """Return the template's tree with calls that record lines and reads.

        Overrides jinja2's method, which is called when a template is compiled.
        """
        tree = super()._parse(source, name, filename)
        tree.body = _Instrumenter(_catalog(), str(name), tree).change_body(tree.body)
        tree.set_environment(self)
        return tree


@lru_cache(maxsize=None)
def _catalog() -> _Catalog:
    """Return the catalog of this process."""
    return _Catalog()


class _Instrumenter:
    """Change the syntax tree of one template."""

    def __init__(self, catalog: _Catalog, template: str, tree: nodes.Template) -> None:
        self._catalog = catalog
        self._template = template
        imported = {
            name[-1] if isinstance(name, tuple) else name
            for statement in tree.find_all(nodes.FromImport)
            for name in statement.names
        }
        self._macro_names = imported | {macro.name for macro in tree.find_all(nodes.Macro)}

    def change_body(self, body: Sequence[nodes.Node]) -> List[nodes.Node]:
        """Return the statements with the tracking calls in them."""
        return [statement for node in body for statement in self._change_statement(node)]

    def _change_statement(self, node: nodes.Node) -> List[nodes.Node]:
        """Add tracking calls to a statement and to those inside it."""
        if isinstance(node, nodes.Output):
            node.nodes = [piece for child in node.nodes for piece in self._change_output(child)]
        elif isinstance(node, nodes.If):
            self._change_if(node, [])
        elif isinstance(node, nodes.For):
            names = _loaded_names(node.iter) + (_loaded_names(node.test) if node.test else [])
            targets = [name.name for name in (node.target, *node.target.find_all(nodes.Name)) if hasattr(name, "name")]
            site = self._catalog.add_site(self._template, node, names, targets)
            node.iter = self._track(node.iter, site)
            node.body = self._conditional(node.body, [site])
            node.else_ = self._conditional(node.else_, [site])
        elif isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name):
            site = self._catalog.add_site(self._template, node, _loaded_names(node.node), [node.target.name])
            node.node = self._track(node.node, site)
        elif isinstance(node, nodes.Macro):
            number = self._catalog.add_macro([argument.name for argument in node.args])
            node.body = [
                self._statement("enter_macro", number, node=node),
                *self.change_body(node.body),
                self._statement("leave_macro", node=node),
            ]
        return [node]

    def _change_if(self, node: nodes.If, earlier_sites: List[int]) -> int:
        """Change an ``if`` or ``elif``; return the site number of its test.

        ``earlier_sites`` are the tests before it, on which it depends too.
        """
        site = self._catalog.add_site(self._template, node, _loaded_names(node.test))
        node.test = self._track(node.test, site)
        sites = [*earlier_sites, site]
        node.body = self._conditional(node.body, sites)
        for branch in node.elif_:
            sites = [*sites, self._change_if(branch, sites)]
        node.else_ = self._conditional(node.else_, sites)
        return site

    def _conditional(self, body: Sequence[nodes.Node], sites: Sequence[int]) -> List[nodes.Node]:
        """Return the changed body of an ``if`` or ``for``, between enter and leave calls."""
        if not body:
            return []
        enter = self._statement("enter_condition", *sites, node=body[0])
        return [enter, *self.change_body(body), self._statement("leave_condition", node=body[0])]

    def _change_output(self, child: nodes.Expr) -> List[nodes.Expr]:
        """Wrap an expression, or each line of literal text, in marks."""
        if not isinstance(child, nodes.TemplateData):
            site = self._catalog.add_site(self._template, child, _loaded_names(child))
            self._track_macro_arguments(child)
            return self._marked(self._track(child, site), site)
        pieces: List[nodes.Expr] = []
        for offset, line in enumerate(child.data.splitlines(keepends=True)):
            data = nodes.TemplateData(line, lineno=child.lineno + offset)
            pieces += self._marked(data, self._catalog.add_site(self._template, data, []))
        return pieces

    def _marked(self, expression: nodes.Expr, site: int) -> List[nodes.Expr]:
        """Return an expression between calls that print the marks."""
        line = expression.lineno
        return [self._call("open", [site], line), expression, self._call("close", [], line)]

    def _track_macro_arguments(self, expression: nodes.Expr) -> None:
        """Track each argument of the macro calls in an expression by itself."""
        calls = [call for call in (expression, *expression.find_all(nodes.Call)) if isinstance(call, nodes.Call)]
        for call in calls:
            if not isinstance(call.node, nodes.Name) or call.node.name not in self._macro_names or not call.args:
                continue
            number, arguments = self._catalog.add_call()
            for index, argument in enumerate(call.args):
                site = self._catalog.add_site(self._template, argument, _loaded_names(argument))
                arguments.positional.append(site)
                call.args[index] = self._track(argument, site)
            for keyword in call.kwargs:
                site = self._catalog.add_site(self._template, keyword.value, _loaded_names(keyword.value))
                arguments.keywords[keyword.key] = site
                keyword.value = self._track(keyword.value, site)
            last = call.kwargs[-1] if call.kwargs else None
            if last is not None:
                last.value = self._call("note_call", [number, last.value], call.lineno)
            else:
                call.args[-1] = self._call("note_call", [number, call.args[-1]], call.lineno)

    def _track(self, expression: nodes.Node, site: int) -> nodes.Expr:
        """Wrap an expression so that its reads are recorded and its value stays.

        The result is ``end(site, begin(site) and expression)``.
        """
        line = expression.lineno
        recorded = nodes.And(self._call("begin", [site], line), cast(nodes.Expr, expression), lineno=line)
        return self._call("end", [site, recorded], line)

    def _statement(self, function: str, *arguments: Any, node: nodes.Node) -> nodes.Output:
        """Return a statement that prints the result of a tracking function."""
        return nodes.Output([self._call(function, arguments, node.lineno)], lineno=node.lineno)

    @staticmethod
    def _call(function: str, arguments: Sequence[Any], line: int) -> nodes.Call:
        """Return a call of ``_track_FUNCTION``; plain arguments become constants."""
        expressions = [
            argument if isinstance(argument, nodes.Node) else nodes.Const(argument, lineno=line)
            for argument in arguments
        ]
        name = nodes.Name(f"_track_{function}", "load", lineno=line)
        return nodes.Call(name, expressions, [], None, None, lineno=line)


def _loaded_names(expression: nodes.Node) -> List[str]:
    """List the variables that an expression reads."""
    names = [node for node in (expression, *expression.find_all(nodes.Name)) if isinstance(node, nodes.Name)]
    return [name.name for name in names if name.ctx == "load"]
