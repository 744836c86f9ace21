"""The server of the browser tests is as quiet as a browser that leaves a page half loaded."""

import gc
import socket
import struct
from urllib.parse import urlsplit

from flask import Flask

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: close() answers whatever still comes with a reset."""


def test_a_browser_that_hangs_up_leaves_no_file_open(app: Flask, live_address: str) -> None:
    """An open file would be reported as a fault of whichever test runs when it is collected."""
    address = urlsplit(live_address)
    with app.test_request_context():
        path = app.url_for("static", filename="js/live.js")
    for _ in range(5):
        with socket.create_connection((str(address.hostname), int(address.port or 0))) as browser:
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            browser.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
            assert browser.recv(1)
    gc.collect()
