"""Who may ask the HTTP API: this machine, or who has the token; and no page of a browser."""

import hmac
import ipaddress
import os
import re
from pathlib import Path

from aiohttp import hdrs, web

from paebiru import files
from paebiru.errors import UsageError

ENVIRONMENT = "PAEBIRU_TOKEN"
_LEAST = 16  # characters: what nobody guesses over a network
_TOKEN = re.compile(r"[!-~]+")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(:[0-9]{1,5})?")


class Refusal(Exception):
    """A request that is not answered as asked: with a status, what was wrong, and what to do."""

    def __init__(
        self, status: int, error: str, hint: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.hint = hint
        self.headers = headers or {}


def token(path: Path | None) -> str:
    """Return the token of a file, or of the environment; empty: there is none.

    Raises:
        UsageError: the file cannot be read, or what it holds is no token.
    """
    if path is not None:
        text, source = files.read(path).decode("ascii", "replace").strip(), str(path)
    else:
        text, source = os.environ.get(ENVIRONMENT, "").strip(), ENVIRONMENT
        if not text:
            return ""
    if len(text) < _LEAST or not _TOKEN.fullmatch(text):
        raise UsageError(
            f"{source} holds no token: {_LEAST} or more letters, digits and signs without spaces;"
            " make one: python3 -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return text


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Guard:
    """Lets requests through, or raises a `Refusal`.

    Without a token the API is for this machine alone.  A page in this machine's browser is not
    this machine: one that has its name resolved to 127.0.0.1 (DNS rebinding) is known by the
    Host header, one that sends a form here by its content type or its Origin.

    Args:
        host: where the API listens.
        token: what callers must know; empty: nothing.

    Raises:
        UsageError: others could reach it, and there is no token.
    """

    def __init__(self, host: str, token: str) -> None:
        self._host = host.lower()
        self._token = token.encode()
        self._is_local = is_loopback(host)
        if not self._is_local and not token:
            raise UsageError(
                f"--api {host}: others can reach that, so it needs a token: give --token-file FILE"
                f" or {ENVIRONMENT}, or take 127.0.0.1"
            )

    def check(self, request: web.BaseRequest) -> None:
        """Let a request through, whatever it asks for.

        Raises:
            Refusal: its sender does not know the token, or is a page of a browser.
        """
        if self._token:
            self._check_token(request.headers.get(hdrs.AUTHORIZATION, ""))
        host = request.headers.get(hdrs.HOST, "").lower()
        if self._is_local and not self._is_ours(host):
            raise Refusal(
                403, "the Host header names another machine", "ask for 127.0.0.1 or localhost"
            )
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and origin.lower().partition("://")[2] != host:
            raise Refusal(403, "a page of another site asks", "ask from a program, not from a page")
        if request.method == hdrs.METH_POST and request.content_type != "application/json":
            raise Refusal(
                415,
                "the content type is not application/json",
                "send the header Content-Type: application/json, and {} if there is nothing to say",
            )

    def _check_token(self, header: str) -> None:
        scheme, _, given = header.partition(" ")
        told = given.strip().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(told, self._token) or scheme.lower() != "bearer":
            raise Refusal(
                401,
                "the token is missing or wrong",
                "send the header Authorization: Bearer TOKEN, with the token the hub was given",
                {hdrs.WWW_AUTHENTICATE: "Bearer"},
            )

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if not found:
            return False
        name = found[1].strip("[]")
        return name == self._host or is_loopback(name)
