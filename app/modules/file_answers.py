"""The answer that hands out a table as a file."""

import os
from collections.abc import Sequence

from flask import Response, send_file
from werkzeug.exceptions import NotFound

from app.infrastructure.table_files import TYPES, Rows, table_file

IN_ONE_PIECE = 1_000_000
"""Bytes up to which a file is sent from memory; a larger one is read from disk while it is sent."""


def file_of(what: str, kind: str, columns: Sequence[str], rows: Rows) -> Response:
    """`runs.csv`, `runs.jsonl` or `runs.xlsx` of "runs"; any other kind is not found."""
    if kind not in TYPES:
        raise NotFound
    file = table_file(kind, columns, rows)
    name = f"{what}.{kind}"
    if os.fstat(file.fileno()).st_size <= IN_ONE_PIECE:
        with file:
            answer = Response(file.read(), content_type=TYPES[kind])
        answer.headers["Content-Disposition"] = f"attachment; filename={name}"
        return answer
    answer = send_file(file, TYPES[kind], as_attachment=True, download_name=name, max_age=0)
    answer.call_on_close(file.close)
    return answer
