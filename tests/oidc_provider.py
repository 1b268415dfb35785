"""A little OpenID Connect provider that people really go to: discovery, keys, authorization, token, with real keys.

What is wrong with it, a story says: `claims` are put over those of the token, `sign` makes it otherwise.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from urllib.parse import unquote

from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from yarl import URL

SECRET = "kept-between-us&you:%2B"


class LittleProvider:
    def __init__(self, clock, host: str = "127.0.0.1") -> None:
        self.clock = clock
        self.host = host
        self.keys = [RSAKey.generate_key(2048, {"kid": "k-1"})]
        self.person = "s-1"
        self.claims: dict[str, object] = {}
        self.header: dict[str, str] = {}
        self.discovery: dict[str, object] = {}
        self.sign = self.signed
        self.slow_seconds = 0.0
        self.down = False
        self.nonce = ""  #: instead of the one that was asked for
        self.asked: list[str] = []
        self.moved_to = ""
        self.codes: dict[str, dict[str, str]] = {}
        app = web.Application(middlewares=[self._counted])
        app.router.add_get("/care/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/care/keys", self._keys)
        app.router.add_get("/care/authorize", self._authorize)
        app.router.add_post("/care/token", self._token)
        app.router.add_post("/care/moved", self._moved)
        self.server = TestServer(app)

    @property
    def issuer(self) -> str:
        return f"http://{self.host}:{self.server.port}/care"

    @web.middleware
    async def _counted(self, request, handler):
        self.asked.append(request.path.rpartition("/")[2])
        if self.slow_seconds:
            await asyncio.sleep(self.slow_seconds)
        return web.Response(status=503) if self.down else await handler(request)

    async def _discovery(self, _request):
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=care",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_response_iss_parameter_supported": True,
        }
        return web.json_response(told | self.discovery)

    async def _keys(self, _request):
        strange = [
            {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "odd"},
            {"kty": "RSA", "kid": "torn"},
            7,
        ]
        return web.json_response({"keys": [*strange, *(key.as_dict(private=False) for key in self.keys)]})

    async def _authorize(self, request):
        query = request.query
        assert (query["response_type"], query["client_id"], query["scope"]) == (
            "code",
            "yijian",
            "openid profile",
        )
        assert query["code_challenge_method"] == "S256"
        assert query["tenant"] == "care"
        code = secrets.token_urlsafe(16)
        self.codes[code] = dict(query)
        there = URL(query["redirect_uri"]).update_query(code=code, state=query["state"], iss=self.issuer)
        raise web.HTTPFound(there)

    async def _moved(self, _request):
        raise web.HTTPTemporaryRedirect(self.moved_to)

    async def _token(self, request):
        form = await request.post()
        name, _, secret = (
            base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
        )
        asked = self.codes.pop(form["code"], None)
        proof = (
            base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
            .decode()
            .rstrip("=")
        )
        if (unquote(name), unquote(secret)) != ("yijian", SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        if asked is None or asked["code_challenge"] != proof or asked["redirect_uri"] != form["redirect_uri"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = secrets.token_urlsafe(16)
        now = self.clock.now_us() // 1_000_000
        claims = {
            "iss": self.issuer,
            "sub": "8d1f",
            "aud": "yijian",
            "exp": now + 300,
            "iat": now,
            "nonce": self.nonce or asked["nonce"],
            "at_hash": base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16])
            .decode()
            .rstrip("="),
            "preferred_username": self.person,
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        return web.json_response(
            {"access_token": token, "token_type": "Bearer", "id_token": self.sign(claims)}
        )

    # ── how it signs ─────────────────────────────────────────────────────────────────────────────────────────────

    def signed(self, claims):
        key = self.keys[-1]
        algorithm = "RS256" if key.key_type == "RSA" else "ES256"
        header = {"alg": algorithm, "kid": key.kid} | self.header
        return jws.serialize_compact(header, json.dumps(claims), key)

    def rotate(self) -> None:
        self.keys = [ECKey.generate_key("P-256", {"kid": f"k-{len(self.asked)}"})]

    def unsigned(self, claims):
        return f"{_part({'alg': 'none'})}.{_part(claims)}."

    def by_the_public_key(self, claims):
        """HS256, with the text of the public key for a secret: what a careless verifier takes for RS256."""
        public = self.keys[0].as_pem(private=False)
        return jwt.encode(
            {"alg": "HS256", "kid": "k-1"}, claims, OctKey.import_key(base64.b64encode(public).decode())
        )

    def by_a_key_of_its_own(self, claims):
        return jwt.encode({"alg": "RS256", "kid": "k-1"}, claims, RSAKey.generate_key(2048))


def _part(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
