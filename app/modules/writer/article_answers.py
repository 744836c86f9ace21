"""The answers that hand out an article."""

from flask import Response

ARTICLE_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'self'; base-uri 'none'; sandbox"


def article_file(data: bytes, name: str, mimetype: str) -> Response:
    """A download in which nothing can run, load or be sent, should a browser open it."""
    response = Response(data, mimetype=mimetype)
    response.headers["Content-Security-Policy"] = ARTICLE_POLICY
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response
