"""Find the reads behind the values that a service passes to a template.

Used by ``tracking``.

A service computes values in Python and passes them by keyword: ``render_file(..., path_mtu=tunnel_mtu(context))``.
Services do no I/O, so an argument's expression can be evaluated once more, alone, while reads are recorded. Names in
the expression are followed to their assignments in the function, and parameters to the call of the function.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
from functools import lru_cache
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Container, Dict, List, Optional, Set, Tuple, Union

from packstack_lite.services._base.context import NodeContext

if TYPE_CHECKING:
    from packstack_lite.diagnosis.tracking import Reads, Tracker

_RENDERING_CODE = {NodeContext.render.__code__.co_filename, __file__, __file__.replace("argument_tracking", "tracking")}
_Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]


def find_render_call() -> Tuple[FrameType, str]:
    """Return the frame that renders, and the NodeContext method it called."""
    frame = sys._getframe(1)
    method_name = "render"
    while frame.f_code.co_filename in _RENDERING_CODE and frame.f_back:
        if not frame.f_code.co_name.startswith("<"):
            method_name = frame.f_code.co_name
        frame = frame.f_back
    return frame, method_name


def find_declaring_frame(frame: FrameType) -> FrameType:
    """Return the frame of the service behind the helpers of ``services/_base``.

    It is the frame itself unless such a helper is rendering.
    """
    base_directory = os.path.dirname(NodeContext.render.__code__.co_filename)
    while frame.f_code.co_filename.startswith(base_directory) and frame.f_back:
        frame = frame.f_back
    return _function_frame(frame)


class ArgumentTracker:
    """Evaluate a call's arguments again, one by one, and record what each reads."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._visited: Set[Tuple[int, str]] = set()

    def reads_by_argument(self, frame: FrameType, function_name: str, names: Container[str]) -> Dict[str, Reads]:
        """Return the reads of each keyword argument of the frame's current call."""
        call = _find_call(frame, function_name)
        result: Dict[str, Reads] = {}
        for keyword in call.keywords if call else ():
            if keyword.arg is not None and keyword.arg in names:
                self._visited.clear()
                result[keyword.arg] = self._expression_reads(keyword.value, frame)
        return result

    def _expression_reads(self, expression: ast.expr, frame: FrameType) -> Reads:
        """Return the reads of an expression, and those behind the names in it."""
        reads: Reads = {}
        scope = _scope(frame)
        with self._tracker.recording() as direct_reads:
            eval(_compile_expression(expression, frame.f_code.co_filename), scope)
        reads.update(direct_reads)
        for node in ast.walk(expression):
            if isinstance(node, ast.Name) and node.id not in frame.f_globals and node.id in scope:
                reads.update(self._name_reads(node.id, frame, scope[node.id]))
        return reads

    def _name_reads(self, name: str, frame: FrameType, value: Any) -> Reads:
        """Return the reads behind a local variable or parameter."""
        if (id(frame), name) in self._visited or isinstance(value, NodeContext):
            return {}
        self._visited.add((id(frame), name))
        owner = _function_frame(frame)
        function = _find_function(owner)
        if function is None:
            return {}
        reads: Reads = {}
        for expression in _assigned_expressions(function).get(name, ()):
            reads.update(self._expression_reads(expression, frame))
        argument = _find_argument(function, name, owner)
        if argument is not None and owner.f_back is not None:
            reads.update(self._expression_reads(argument, owner.f_back))
        return reads


def _scope(frame: FrameType) -> Dict[str, Any]:
    """Return the names that an expression of the frame may use."""
    return {**frame.f_globals, **_function_frame(frame).f_locals, **frame.f_locals}


def _function_frame(frame: FrameType) -> FrameType:
    """Return the frame of the function that a comprehension is in.

    Before Python 3.12 comprehensions have frames of their own.
    """
    while frame.f_code.co_name.startswith("<") and frame.f_code.co_name != "<module>" and frame.f_back:
        frame = frame.f_back
    return frame


@lru_cache(maxsize=None)
def _read_module(filename: str) -> Tuple[List[ast.Call], List[_Function]]:
    """Return the calls and the functions in a module.

    Both lists are empty if the module's source is not available.
    """
    nodes = list(ast.walk(ast.parse("".join(linecache.getlines(filename)))))
    functions = [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [node for node in nodes if isinstance(node, ast.Call)], functions


def _find_call(frame: FrameType, function_name: str) -> Optional[ast.Call]:
    """Return the smallest call of that function at the frame's line."""
    calls = [
        node
        for node in _read_module(frame.f_code.co_filename)[0]
        if node.lineno <= frame.f_lineno <= (node.end_lineno or node.lineno)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) == function_name
    ]
    return min(calls, key=lambda call: (call.end_lineno or call.lineno) - call.lineno, default=None)


def _find_function(frame: FrameType) -> Optional[_Function]:
    """Return the definition of the function that a frame executes."""
    for node in _read_module(frame.f_code.co_filename)[1]:
        if node.name == frame.f_code.co_name:
            first_line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first_line == frame.f_code.co_firstlineno:
                return node
    return None


@lru_cache(maxsize=None)
def _compile_expression(expression: ast.expr, filename: str) -> CodeType:
    """Compile an expression of a module; every node renders with the same ones."""
    return compile(ast.Expression(expression), filename, "eval")


@lru_cache(maxsize=None)
def _assigned_expressions(function: _Function) -> Dict[str, List[ast.expr]]:
    """Return the expressions assigned to each name in a function, loops included."""
    expressions: Dict[str, List[ast.expr]] = {}
    for node in ast.walk(function):
        targets: List[ast.expr] = []
        value: Optional[ast.expr] = None
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
            targets, value = [node.target], node.value
        elif isinstance(node, (ast.For, ast.comprehension)):
            targets, value = [node.target], node.iter
        names = {inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
        if value is not None:
            for name in names:
                expressions.setdefault(name, []).append(value)
    return expressions


def _find_argument(function: _Function, name: str, frame: FrameType) -> Optional[ast.expr]:
    """Return the expression that the function's caller passes for a parameter."""
    parameters = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    keyword_only = [argument.arg for argument in function.args.kwonlyargs]
    call = _find_call(frame.f_back, function.name) if frame.f_back and name in (*parameters, *keyword_only) else None
    if call is None:
        return None
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    position = parameters.index(name) if name in parameters else len(call.args)
    has_star = any(isinstance(argument, ast.Starred) for argument in call.args[: position + 1])
    return call.args[position] if position < len(call.args) and not has_star else None
