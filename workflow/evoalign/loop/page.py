"""The operator's page: a running evolution in a browser, and a stop that ends after the block.

The server answers to this machine alone, unless another address is asked for; then it wants a token.
"""

from __future__ import annotations

import hmac
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from evoalign.errors import InputError
from evoalign.loop.addresses import endpoint, is_loopback
from evoalign.loop.monitor import Monitor
from evoalign.loop.page_text import HTML, SCRIPT, STYLE
from evoalign.loop.settings import PageSettings

COOKIE = "evoalign_token"
STOP_HEADER = "X-Evoalign-Stop"  # a page of another origin cannot send it unasked
LEAST_TOKEN = 12  # characters
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
_TEXTS = {
    "/": (HTML, "text/html"),
    "/page.js": (SCRIPT, "text/javascript"),
    "/page.css": (STYLE, "text/css"),
}


@dataclass(frozen=True)
class PageSource:
    """What the page is about.

    Attributes
    ----------
    monitor : Monitor
        Tells of the evolution, and takes the stop.
    images : pathlib.Path
        Folder of the images.
    threads : mapping of str to mapping
        By number: `space`, `optimiser`, and `kind` of the space, 'texture', 'object' or ''.
    """

    monitor: Monitor
    images: Path
    threads: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class OperatorPage:
    """Serves the page until it is closed.

    Parameters
    ----------
    settings : PageSettings
    source : PageSource

    Attributes
    ----------
    url : str
        Where the page is; without the token.

    Raises
    ------
    InputError
        The address is none or taken, or others can reach it and there is no token.
    """

    def __init__(self, settings: PageSettings, source: PageSource) -> None:
        host, port = endpoint(settings.address, "page.address")
        if not is_loopback(host) and len(settings.token) < LEAST_TOKEN:
            raise InputError(
                f"other machines can reach '{settings.address}'",
                "page.address",
                f"give an address of 127.0.0.1, or a page.token of {LEAST_TOKEN} characters or more",
            )
        try:
            self._server = _PageServer((host, port), source, settings.token)
        except OSError as error:
            raise InputError(
                f"the page cannot be served: {error}", settings.address, "give another page.address, or ''"
            ) from None
        self.url = f"http://{host}:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        logging.info("the operator's page is at %s", self.url)

    def close(self) -> None:
        """Free the address."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _PageServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], source: PageSource, token: str) -> None:
        super().__init__(address, _Handler)
        self.source, self.token = source, token
        self.is_loopback = is_loopback(address[0])


class _Handler(BaseHTTPRequestHandler):
    server: _PageServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if not self._may_enter(url.query):
            return
        if url.query and self.server.token:
            # The token leaves the address: it would stay in the browser's history.
            self._answer(303, b"", "text/plain", {"Location": url.path, "Set-Cookie": self._cookie()})
        elif url.path in _TEXTS:
            text, kind = _TEXTS[url.path]
            self._answer(200, text.encode(), f"{kind}; charset=utf-8")
        elif url.path == "/state.json":
            state = self.server.source.monitor.snapshot() | {"threads": self.server.source.threads}
            self._answer(200, json.dumps(state, allow_nan=False).encode(), "application/json")
        elif url.path.startswith("/image/"):
            self._image(unquote(url.path.removeprefix("/image/")))
        else:
            self._answer(404, b"there is no such page\n")

    def do_POST(self) -> None:
        if not self._may_enter(""):
            return
        if self.path != "/stop" or self.headers.get(STOP_HEADER) != "after this block":
            self._answer(403, b"only the page itself may stop the evolution\n")
            return
        self.server.source.monitor.stop()
        logging.warning("the operator has asked for an end after this block")
        self._answer(200, b"{}", "application/json")

    def log_message(self, format: str, *values: Any) -> None:
        """Keep the log of the evolution free of requests."""

    def _may_enter(self, query: str) -> bool:
        """Whether the request may be answered; refuses it otherwise."""
        if self.server.is_loopback and not is_loopback(_host_of(self.headers.get("Host", ""))):
            self._answer(403, b"the page is asked for by another name than this machine's own\n")
            return False
        if not self.server.token or any(
            hmac.compare_digest(token.encode(), self.server.token.encode()) for token in self._tokens(query)
        ):
            return True
        self._answer(401, b"add ?token=.. to the address: page.token of the settings\n")
        return False

    def _tokens(self, query: str) -> list[str]:
        authorization = self.headers.get("Authorization", "")
        tokens = [*parse_qs(query).get("token", []), authorization.removeprefix("Bearer ")]
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        return tokens if cookie is None else [*tokens, cookie.value]

    def _cookie(self) -> str:
        cookie: SimpleCookie = SimpleCookie({COOKIE: self.server.token})
        for name, value in (("httponly", True), ("samesite", "Strict"), ("path", "/")):
            cookie[COOKIE][name] = value
        return cookie[COOKIE].OutputString()

    def _image(self, name: str) -> None:
        current = self.server.source.monitor.snapshot()["images"].values()
        path = self.server.source.images / f"{name}.png"
        if not any(name in names for names in current) or not path.is_file():
            self._answer(404, b"no image of this block\n")
            return
        self._answer(200, path.read_bytes(), "image/png", {"Cache-Control": "max-age=3600"})

    def _answer(
        self,
        status: int,
        content: bytes,
        kind: str = "text/plain; charset=utf-8",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        fixed = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        for name, value in (fixed | dict(headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _host_of(header: str) -> str:
    """Host name of a request's header Host, without the port."""
    return urlsplit(f"//{header}").hostname or ""
