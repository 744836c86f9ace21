"""Answers are sent compressed to whoever takes that.

An answer with an ETag of its own is sent as it is: programs send the tag back as `If-Match`, which compares strongly,
and a strong tag may name one sequence of bytes only. Static files have ETags too; of those the library keeps one for
each encoding.

The length of a compressed page tells what it repeats (BREACH): another site that makes a browser open a page with a
guess in its address, and sees the lengths on the network, could guess what the page shows, for example rows or the
CSRF token. Such requests carry `Sec-Fetch-Site: cross-site` or `same-site`, which no script can change, and they get
the page uncompressed. Without TLS browsers leave the header out, but there nothing is secret on the network anyway.
"""

from flask import Flask, Response, request
from flask_compress import Compress

OWN = ("same-origin", "none")
"""`Sec-Fetch-Site` of the console's own links and scripts, and of an address that the person typed."""


def init_compression(app: Flask) -> None:
    """Call it before whatever sets headers of answers: what is registered first is called last."""
    # Zstandard takes a third of the time of the others for as few bytes.
    app.config.update(COMPRESS_REGISTER=False, COMPRESS_ALGORITHM=["zstd", "br", "gzip"])
    compress = Compress(app)

    def send(response: Response) -> Response:
        if not _may_be_compressed(response):
            return response
        if request.endpoint == "static":
            # In one piece, with its length: streamed files the library compresses too, but never closes.
            response.direct_passthrough = False
            response.make_sequence()
        return compress.after_request(response)

    app.after_request(send)


def _may_be_compressed(response: Response) -> bool:
    if request.endpoint == "static":
        # A part of a file is a part of its plain bytes.
        return response.status_code == 200
    if response.direct_passthrough:
        # A file that is read while it is sent; the library would not close it.
        return False
    return not response.get_etag()[0] and request.headers.get("Sec-Fetch-Site", "none") in OWN
