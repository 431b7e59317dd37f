"""Who may ask: programs on this machine that know the token, and of pages only our own.

A page of another site can make a browser send requests to this address, but can't forge Host, Origin and Sec-Fetch-Site
(RFC 6454, Fetch Metadata); a name that leads to 127.0.0.1 (DNS rebinding) has another Host. The cookie is of one port:
browsers share cookies between the ports of a host.
"""

import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Literal
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Refusal = Literal["foreign_host", "foreign_origin", "no_token"]
_STATUS: dict[Refusal, int] = {"foreign_host": 421, "foreign_origin": 403, "no_token": 401}
_MESSAGE: dict[Refusal, str] = {
    "foreign_host": "this server answers for 127.0.0.1 only",
    "foreign_origin": "only the review's own page may ask",
    "no_token": "the address lacks its token; open the address that `avmatch review` printed",
}
#: What a browser says of a request that the page itself, or the person, made.
_OWN_SITES = frozenset({"same-origin", "none"})
_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Guard:
    """Lets through what may ask, and puts the safe headers on every answer.

    Args:
        app: what is guarded.
        token: what whoever asks must know.
        port: that the server is at.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self.cookie = f"avmatch_{port}"
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # a WebSocket: there is none here
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        is_new = refusal is None and not self._is_known(headers)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    answer[name] = value
                answer.setdefault("cache-control", "no-store")
                if is_new:
                    cookie = f"{self.cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
                    answer.append("set-cookie", cookie)
            await send(message)

        if refusal is None:
            await self._app(scope, receive, guarded)
            return
        body = {"error": {"code": refusal, "message": _MESSAGE[refusal]}}
        await JSONResponse(body, _STATUS[refusal])(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Refusal | None:
        if headers.getlist("host") != [host := headers.get("host", "")] or host not in self._hosts:
            return "foreign_host"
        origins = headers.getlist("origin")
        if origins and origins != [f"http://{host}"]:
            return "foreign_origin"
        if headers.get("sec-fetch-site", "none") not in _OWN_SITES:
            return "foreign_origin"
        if self._is_known(headers) or (scope["path"] == "/" and self._is_in_address(scope)):
            return None
        return "no_token"

    def _is_known(self, headers: Headers) -> bool:
        """By the cookie, or by a program's header."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(token.strip()):
            return True
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        return self.cookie in cookies and self._is_token(cookies[self.cookie].value)

    def _is_in_address(self, scope: Scope) -> bool:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        return any(map(self._is_token, query.get("token", ())))

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())
