"""A token server for docker-registry: real ES256 tokens, by GET and by OAuth2 POST."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

from tests.support.certificates import Pair

ISSUER = "sample issuer"
SERVICE = "sample registry"
IDENTITY_TOKEN = "identity-of-ann"


class TokenIssuer:
    """Users and what they may do: `rights` maps a user ("" for nobody) to scopes."""

    def __init__(self, signer: Pair, users: dict[str, str], rights: dict[str, set[str]]) -> None:
        self.signer = signer
        self.users = users
        self.rights = rights
        self.asked: list[tuple[str, str, dict[str, list[str]]]] = []
        """Method, user and query or form of every request."""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                self._grant(issuer.user_of(self.headers.get("Authorization")), query, query.get("scope", []))

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                user = None
                if form.get("refresh_token") == [IDENTITY_TOKEN]:
                    user = "ann"
                elif form.get("grant_type") == ["password"]:
                    name = form["username"][0]
                    user = name if issuer.users.get(name) == form["password"][0] else None
                self._grant(user, form, form.get("scope", [""])[0].split())

            def _grant(self, user: str | None, asked: dict[str, list[str]], scopes: list[str]) -> None:
                issuer.asked.append((self.command, user or "", asked))
                status, answer = issuer.grant(user, scopes)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def realm(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def user_of(self, authorization: str | None) -> str | None:
        """None: wrong credentials. Empty: none at all."""
        if not authorization:
            return ""
        name, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return name if self.users.get(name) == password else None

    def grant(self, user: str | None, scopes: list[str]) -> tuple[int, dict[str, object]]:
        if user is None:
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]}
        access = []
        for scope in scopes:
            kind, rest = scope.split(":", 1)
            name, actions = rest.rsplit(":", 1)
            granted = [
                action for action in actions.split(",") if f"{kind}:{name}:{action}" in self.rights.get(user, ())
            ]
            access.append({"type": kind, "name": name, "actions": granted})
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": user, "aud": SERVICE, "exp": now + 300, "nbf": now - 5, "iat": now,
            "jti": f"{len(self.asked)}", "access": access,
        }  # fmt: skip
        header = {"alg": "ES256", "typ": "JWT", "x5c": [base64.b64encode(self.signer.der).decode()]}
        token = jwt.encode(header, claims, ECKey.import_key(self.signer.key_pem))
        return 200, {"token": token, "expires_in": 300}
