"""A small HTTP server for this machine: a few fixed addresses, GET only, in threads beside the run."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import TCPServer
from typing import Any, final
from urllib.parse import parse_qsl, urlsplit

LOOPBACK = "127.0.0.1"
_LOG = logging.getLogger("simulator")
# A page of somebody else's whose name has been made to lead here (DNS rebinding) sends that name.
_OWN_NAMES = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?")
_HEADERS = {
    "Cache-Control": "no-store",
    # BokehJS writes its styles into the page; everything else is refused unless it comes from this server.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Answer:
    """What an address gives: its media type and its bytes."""

    media_type: str
    content: bytes


Route = Callable[[Mapping[str, str]], Answer]
"""Makes an answer from the query's parameters."""


@contextmanager
def serving(routes: Mapping[str, Route], host: str = LOOPBACK, port: int = 0) -> Iterator[str]:
    """Serve within the context; gives `http://HOST:PORT`.

    Args:
        routes: path to what it gives.
        host: address to listen on. At the loopback only requests to `127.0.0.1` or `localhost` are answered.
        port: to listen on; 0: any free one.

    Raises:
        OSError: nobody can listen there.
    """
    server = _Server((host, port), routes)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@final
class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], routes: Mapping[str, Route]) -> None:
        super().__init__(address, _Handler)
        self.routes = routes
        self.checks_host = ip_address(str(self.server_address[0])).is_loopback

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # the HTTP server's own asks the DNS for this machine's name

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  # the server's signature
        """A browser that has gone away is nothing to tell; all else goes to the run's log, not to the terminal."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            _LOG.exception("a request could not be answered")


@final
class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "simulator", ""
    timeout = 10
    """Seconds for a client to say what it wants."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        route = self.server.routes.get(parts.path)
        if not self._is_for_us():
            self._answer(HTTPStatus.FORBIDDEN, _plain("this server answers to 127.0.0.1 and localhost only\n"))
        elif route is None:
            self._answer(HTTPStatus.NOT_FOUND, _plain("nothing is here\n"))
        else:
            self._answer(HTTPStatus.OK, route(dict(parse_qsl(parts.query))))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # the base class looks for a method `do_…` by its name
        if name.startswith("do_"):
            return self._refuse
        raise AttributeError(name)

    def _refuse(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, _plain("GET only\n"), Allow="GET")

    def _is_for_us(self) -> bool:
        hosts = self.headers.get_all("Host", [])
        return not self.server.checks_host or (len(hosts) == 1 and _OWN_NAMES.fullmatch(hosts[0].lower()) is not None)

    def _answer(self, status: HTTPStatus, answer: Answer, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's signature
        """Nothing: the terminal is for the run."""


def _plain(text: str) -> Answer:
    return Answer("text/plain; charset=utf-8", text.encode())
