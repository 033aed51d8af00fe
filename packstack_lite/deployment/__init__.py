"""One run against the nodes of a cloud: the Python API (docs/api.md).

It imports nothing of the command line and prints nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packstack_lite.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from packstack_lite.deployment.answer_sources import load_answers
    from packstack_lite.deployment.deployment import Deployment, open_deployment
    from packstack_lite.deployment.new_answer_file import NewAnswerFile, write_new_answer_file
    from packstack_lite.deployment.options import (
        AnswerSources,
        Callbacks,
        ConnectionOptions,
        NodeSelection,
        RunOptions,
    )
    from packstack_lite.deployment.rendering import RenderedFile, explain_rendered_file, render_files
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "answer_sources": "load_answers",
            "deployment": "Deployment open_deployment",
            "new_answer_file": "NewAnswerFile write_new_answer_file",
            "options": "AnswerSources Callbacks ConnectionOptions NodeSelection RunOptions",
            "rendering": "RenderedFile explain_rendered_file render_files",
        },
    )

__all__ = [
    "AnswerSources",
    "Callbacks",
    "ConnectionOptions",
    "Deployment",
    "NewAnswerFile",
    "NodeSelection",
    "RenderedFile",
    "RunOptions",
    "explain_rendered_file",
    "load_answers",
    "open_deployment",
    "render_files",
    "write_new_answer_file",
]
