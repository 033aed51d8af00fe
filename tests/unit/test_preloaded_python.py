"""The stand-in for an interpreter (preloaded_python.py) runs a program as the interpreter does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAMS = {
    "arguments": ("import sys; print(sys.argv)", 0),
    "streams": ("import sys; print(sys.stdin.read(), file=sys.stderr)", 0),
    "environment": ("import os; print(sorted(os.environ.items()), os.getcwd())", 0),
    "main": ("import __main__; x = 1; print(__name__, __main__.x, 'argument' in globals())", 0),
    "encoding": ("import sys; print(*[s.encoding for s in (sys.stdin, sys.stdout, sys.stderr)]); print('\u00e9')", 0),
    "exit code": ("import sys; sys.exit(75)", 75),
    "exit with a message": ("import sys; sys.exit('why')", 1),
    # As ast.parse compiles, and with it the traceback module.
    "compiled to a tree": ("import ast; print(ast.dump(ast.parse('x = 1', 'part', 'exec')))", 0),
    "killed": ("import os; print('x', flush=True); os.kill(os.getpid(), 9)", -9),
    "threads and exit functions": (
        "import atexit, threading, time; atexit.register(print, 'last')\n"
        "threading.Thread(target=lambda: (time.sleep(0.05), print('thread'))).start()",
        0,
    ),
}


def run(argv, program, directory):
    """Run a program with arguments, input and directory; return exit code, output and errors."""
    environment = {**os.environ, "LC_ALL": "C", "OWN": "a\n=b \u00e9"}
    done = subprocess.run(
        [*argv, "-c", program, "an argument", ""], input=b"input\n", capture_output=True, env=environment, cwd=directory
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs_as_with_the_interpreter(python_with_keystoneauth, name, tmp_path):
    program, code = PROGRAMS[name]
    expected = run([sys.executable], program, tmp_path)
    assert expected[0] == code
    if name == "killed":  # by its number, as a shell does
        expected = (137, *expected[1:])
    assert run(python_with_keystoneauth.split(), program, tmp_path) == expected


def test_an_error_ends_with_its_traceback(python_with_keystoneauth, tmp_path):
    for argv in ([sys.executable], python_with_keystoneauth.split()):
        code, _, errors = run(argv, "def f():\n    raise ValueError('why')\nf()", tmp_path)
        assert code == 1
        assert errors.startswith(b"Traceback") and errors.endswith(b"\nValueError: why\n")
        # Python 3.13 prints the lines of a program that -c gives, and marks what failed in each.
        assert b'File "<string>", line 2, in f\n' in errors


def test_a_program_that_is_compiled_again_is_read_from_a_file(python_with_keystoneauth, tmp_path):
    """The second time too it is the program's own text: another program gets its own."""
    program = "exec(compile('def f():\\n    return {}', 'part', 'exec')); print(f(), f.__code__.co_filename)"
    for word in "1212":
        code, output, errors = run(python_with_keystoneauth.split(), program.format(word), tmp_path)
        assert (code, output) == (0, f"{word} part\n".encode()), errors


def test_a_module_that_cannot_be_imported_is_an_error(python_with_keystoneauth, tmp_path):
    code, _, errors = run(python_with_keystoneauth.split(), "import no_such_module", tmp_path)
    assert (code, b"ModuleNotFoundError" in errors) == (1, True)
