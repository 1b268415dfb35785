"""An OpenID Connect provider: where it sends people, and what the word it gives about them is worth.

    trip = await provider.begin(redirect)                 trip.url: there the browser goes; the rest stays with us
    login = await provider.vouched(code, trip, redirect)  "s-01"; raises Away, or Unfit with a short reason

The authorization code flow with PKCE (S256), state and nonce. The word is an ID token: signed RS256 or ES256 by a key of
the provider's (never `none`, never by a secret), from this issuer, for us, of this minute, and with our nonce.

Only `https` addresses are asked, or `http` on loopback where the settings allow private targets; no redirect is followed,
no answer over 256 KB is read, and no request takes longer than 2.5 s. What is private is refused by the connector.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import structlog
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from yarl import URL

from config.doors import Clock
from config.oidc import OidcClient
from config.reading import is_loopback

log = structlog.get_logger("oidc")

TIMEOUT_SECONDS = 2.5
#: Whoever has come back waits no longer, whatever is asked for them.
_WHOLE_SECONDS = 6.0
BYTES_MAX = 262_144
#: How far the provider's clock may be off.
SKEW_SECONDS = 60
#: How long what the provider says of itself counts; where it is away by then, longer.
_KNOWN_US = 3_600_000_000
#: A provider that was away is not asked again for so long: whoever waits is told at once.
_AWAY_US = 2_000_000
#: Keys are looked up anew for a token of an unknown one, at most so often.
_KEYS_AGAIN_US = 10_000_000
_KEYS_MAX = 32
_RSA_BITS_MIN = 2048
#: People on their way in at once; more are told to come again.
_AT_ONCE_MAX = 32
_ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
_ERRORS = frozenset({"invalid_grant", "invalid_client", "unauthorized_client"})
_LOGIN_MAX = 128
_CODE_MAX = 4096

_Key = RSAKey | ECKey
_Said = dict[str, str | list[str]]


class Away(Exception):  # noqa: N818 - it tells what happened
    """The provider cannot be asked just now."""


class Unfit(Exception):  # noqa: N818 - it tells what happened
    """What came is not what we can trust. `why`: a few words of ours; `error`: one that the protocol knows, or nothing."""

    def __init__(self, why: str, error: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.error = error


@dataclass(frozen=True, slots=True)
class Trip:
    """One browser's way to the provider and back."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the provider is found."""

    authorization: str
    token: str
    keys: str
    by_body: bool  #: the secret goes into the body, not the header
    says_issuer: bool  #: the issuer comes back with the code (RFC 9207)
    known_us: int


@dataclass(frozen=True, slots=True)
class Looked:
    """How the provider stands with us: usable keys, its clock before ours, whether it knows us by our secret."""

    keys: int
    ahead_seconds: float | None  #: None: it does not say what time it has
    known: bool | None  #: None: it cannot be told


class Provider:
    """The provider of an installation. `connector` makes its connections; `close` it in the end."""

    def __init__(
        self,
        client: OidcClient,
        clock: Clock,
        connector: Callable[[], aiohttp.BaseConnector],
        *,
        private: bool,
    ) -> None:
        self.client = client
        self._clock = clock
        self._connector = connector
        self._private = private
        self._session: aiohttp.ClientSession | None = None
        self._asking = asyncio.Lock()
        self._asking_keys = asyncio.Lock()
        self._places: _Places | None = None
        self._keys: tuple[tuple[str, _Key], ...] = ()
        self._keys_us = 0
        self._keys_again_us = 0
        self._keys_away_us = 0
        self._away_us = 0
        self._under_way = 0
        self._date = ""

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()

    async def begin(self, redirect: str) -> Trip:
        """Where to send a browser. `redirect`: our address that it comes back to. Raises Away or Unfit."""
        places = await self._found()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = _base64(hashlib.sha256(verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(self.client.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if self.client.prompt != "any":
            asked["prompt"] = self.client.prompt
        if self.client.acr:
            asked["acr_values"] = " ".join(self.client.acr)
        return Trip(str(URL(places.authorization).update_query(asked)), state, nonce, verifier)

    async def vouched(self, code: str, trip: Trip, redirect: str, issuer: str = "") -> str:
        """The login of whoever came back with this code. Raises Away or Unfit."""
        if not 0 < len(code) <= _CODE_MAX:
            raise Unfit("no code")
        if self._under_way >= _AT_ONCE_MAX:
            raise Away
        self._under_way += 1
        try:
            async with asyncio.timeout(_WHOLE_SECONDS):
                places = await self._found()
                if issuer != self.client.issuer and (issuer or places.says_issuer):
                    raise Unfit("another issuer came back")
                told = await self._exchanged(places, code, trip, redirect)
                claims = await self._checked(places, told, trip.nonce)
        except TimeoutError:
            raise Away from None
        finally:
            self._under_way -= 1
        login = claims.get(self.client.claim)
        if not isinstance(login, str) or not 0 < len(login) <= _LOGIN_MAX or not login.isprintable():
            raise Unfit("no login in the claim")
        if self.client.claim == "email" and claims.get("email_verified") is not True:
            raise Unfit("an e-mail address that is not verified")
        return login

    async def looked_over(self, redirect: str) -> Looked:
        """For whoever looks after the installation; nobody comes in by it. Raises Away or Unfit."""
        places = await self._found()
        ahead = _seconds_before(self._date, self._clock.now_us())
        keys = _keys(await self._ask("keys", places.keys))
        known: bool | None = None
        try:
            # A code that was never given: whoever knows us refuses it, and whoever does not refuses us.
            nobody = Trip("", "", "", secrets.token_urlsafe(32))
            await self._exchanged(places, secrets.token_urlsafe(16), nobody, redirect)
        except Unfit as refused:
            known = {"invalid_grant": True, "invalid_client": False, "unauthorized_client": False}.get(
                refused.error
            )
        return Looked(len(keys), ahead, known)

    # ── what the provider says of itself ─────────────────────────────────────────────────────────────────────────

    async def _found(self) -> _Places:
        known = self._places
        if known is not None and abs(self._clock.now_us() - known.known_us) < _KNOWN_US:
            return known
        async with self._asking:
            now_us = self._clock.now_us()
            if self._places is not known and self._places is not None:
                return self._places
            if abs(now_us - self._away_us) >= _AWAY_US:
                try:
                    self._places = self._read(await self._ask("discovery", self._discovery()), now_us)
                except (Away, Unfit) as error:
                    # Told from when it was given up, so that all who waited meanwhile are told at once.
                    self._away_us = self._clock.now_us()
                    if isinstance(error, Unfit):
                        raise
                else:
                    return self._places
            if known is None:
                raise Away
            return known

    def _discovery(self) -> str:
        return f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration"

    def _read(self, told: Mapping[str, Any], now_us: int) -> _Places:
        if told.get("issuer") != self.client.issuer:
            raise Unfit("its discovery document names another issuer")
        ways = told.get("token_endpoint_auth_methods_supported")
        return _Places(
            authorization=self._safe(told.get("authorization_endpoint")),
            token=self._safe(told.get("token_endpoint")),
            keys=self._safe(told.get("jwks_uri")),
            by_body=isinstance(ways, list)
            and "client_secret_basic" not in ways
            and "client_secret_post" in ways,
            says_issuer=told.get("authorization_response_iss_parameter_supported") is True,
            known_us=now_us,
        )

    def _safe(self, url: object) -> str:
        """An address that may be gone to. Raises Unfit."""
        try:
            read = URL(url if isinstance(url, str) else "")
            host = read.raw_host or ""
        except ValueError:
            raise Unfit("an address that is none") from None
        if not host or read.user is not None or read.fragment:
            raise Unfit("an address that is none")
        if read.scheme != "https" and not (read.scheme == "http" and self._private and is_loopback(host)):
            raise Unfit("an address without https")
        return str(read)

    # ── asking it ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _ask(self, what: str, url: str, **more: Any) -> dict[str, Any]:
        """The JSON object at that address. Raises Away, or Unfit where the answer is none."""
        method = "POST" if "data" in more else "GET"
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"} | more.pop("headers", {})
        try:
            async with self._client().request(
                method, self._safe(url), headers=headers, allow_redirects=False, **more
            ) as response:
                status, raw = response.status, await _bounded(response)
                self._date = response.headers.get("Date", "")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("oidc_away", asked=what, error=type(error).__name__)
            raise Away from None
        if status >= 500 or status == 429:
            log.warning("oidc_away", asked=what, status=status)
            raise Away
        if status != 200:
            log.warning("oidc_refused", asked=what, status=status)
            raise Unfit(f"{what}: status {status}", _error(raw))
        told = _object(raw)
        if told is None:
            raise Unfit(f"{what}: no JSON object")
        return told

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            )
        return self._session

    async def _exchanged(self, places: _Places, code: str, trip: Trip, redirect: str) -> dict[str, Any]:
        """What the provider gives for the code."""
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": trip.verifier,
        }
        headers = {}
        client = self.client
        if client.client_secret and not places.by_body:
            pair = (quote(one, safe="") for one in (client.client_id, client.client_secret))
            headers["Authorization"] = aiohttp.encode_basic_auth(*pair)
        else:
            sent["client_id"] = client.client_id
            if client.client_secret:
                sent["client_secret"] = client.client_secret
        return await self._ask("token", places.token, data=sent, headers=headers)

    # ── what its word is worth ───────────────────────────────────────────────────────────────────────────────────

    async def _checked(self, places: _Places, told: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """The claims of the ID token, once everything about it is right. Raises Away or Unfit."""
        token = told.get("id_token")
        if not isinstance(token, str):
            raise Unfit("no ID token")
        try:
            header = jws.extract_compact(token.encode()).headers()
            algorithm, kid = header.get("alg"), header.get("kid", "")
            if algorithm not in _ALGORITHMS or not isinstance(kid, str):
                raise Unfit("not signed RS256 or ES256")
            claims = _signed(token, algorithm, await self._fitting(places, algorithm, kid))
            registry = jwt.JWTClaimsRegistry(
                now=self._clock.now_us() // 1_000_000,
                leeway=SKEW_SECONDS,
                iss={"essential": True, "value": self.client.issuer},
                aud={"essential": True, "value": self.client.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
            )
            registry.validate(claims)
            self._ours(claims, nonce)
            self._strong(claims)
            _of_access_token(claims, told.get("access_token"))
        except (JoseError, ValueError, TypeError, RecursionError, OverflowError) as error:
            raise Unfit(f"ID token: {type(error).__name__}") from None
        return claims

    def _ours(self, claims: Mapping[str, Any], nonce: str) -> None:
        audience, party = claims["aud"], claims.get("azp")
        several = isinstance(audience, list) and len(audience) > 1
        if party != self.client.client_id and (several or party is not None):
            raise Unfit("ID token: for somebody else")
        given = claims.get("nonce")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            raise Unfit("ID token: not of this login (nonce)")

    def _strong(self, claims: Mapping[str, Any]) -> None:
        if self.client.acr and claims.get("acr") not in self.client.acr:
            raise Unfit("ID token: not by a way that is required (acr)")
        means = claims.get("amr") or []
        if not isinstance(means, list) or any(one not in means for one in self.client.amr):
            raise Unfit("ID token: not by the means that are required (amr)")

    async def _fitting(self, places: _Places, algorithm: str, kid: str) -> list[_Key]:
        """The keys that may have signed it. One that is not known is looked up anew, once."""
        now_us = self._clock.now_us()
        found = self._of(algorithm, kid)
        if found and abs(now_us - self._keys_us) < _KNOWN_US:
            return found
        async with self._asking_keys:
            now_us = self._clock.now_us()
            again = self._of(algorithm, kid)
            if again and abs(now_us - self._keys_us) < _KNOWN_US:
                return again
            if not again and self._keys and abs(now_us - self._keys_again_us) < _KEYS_AGAIN_US:
                raise Unfit("ID token: of no key of the provider")
            if self._keys:
                self._keys_again_us = now_us
            if abs(now_us - self._keys_away_us) < _AWAY_US and not again:
                raise Away
            try:
                self._keys = _keys(await self._ask("keys", places.keys))
                self._keys_us = now_us
            except (Away, Unfit):
                self._keys_away_us = self._clock.now_us()
                if not again:
                    raise
                return again
        found = self._of(algorithm, kid)
        if not found:
            raise Unfit("ID token: of no key of the provider")
        return found

    def _of(self, algorithm: str, kid: str) -> list[_Key]:
        return [
            key
            for known, key in self._keys
            if key.key_type == _ALGORITHMS[algorithm] and (not kid or known == kid)
            if key.alg in {None, algorithm}
        ]


def _signed(token: str, algorithm: str, keys: list[_Key]) -> dict[str, Any]:
    """The claims, where one of the keys has signed them. Raises JoseError."""
    failed: JoseError | None = None
    for key in keys:
        try:
            return jwt.decode(token, key, algorithms=[algorithm]).claims
        except JoseError as error:
            failed = error
    raise failed if failed is not None else Unfit("ID token: of no key of the provider")


def _keys(told: Mapping[str, Any]) -> tuple[tuple[str, _Key], ...]:
    """The keys that sign, of a key set; those of other kinds are passed over."""
    listed = told.get("keys")
    if not isinstance(listed, list):
        raise Unfit("keys: no key set")
    found: list[tuple[str, _Key]] = []
    for one in listed[:_KEYS_MAX]:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig":
            continue
        public: _Said = {name: value for name, value in one.items() if isinstance(value, str)}
        kid = str(public.get("kid", ""))
        try:
            if one.get("kty") == "RSA":
                read: _Key = RSAKey.import_key(
                    {name: public[name] for name in ("kty", "n", "e")} | _said(public)
                )
                if read.public_key.key_size < _RSA_BITS_MIN:
                    continue
            elif one.get("kty") == "EC" and one.get("crv") == "P-256":
                read = ECKey.import_key(
                    {name: public[name] for name in ("kty", "crv", "x", "y")} | _said(public)
                )
            else:
                continue
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        found.append((kid, read))
    return tuple(found)


def _said(public: _Said) -> _Said:
    return {name: public[name] for name in ("alg",) if name in public}


def _of_access_token(claims: Mapping[str, Any], token: object) -> None:
    """Both algorithms hash with SHA-256."""
    given = claims.get("at_hash")
    if given is None:
        return
    half = hashlib.sha256(token.encode()).digest()[:16] if isinstance(token, str) else b""
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), _base64(half).encode()):
        raise Unfit("ID token: of another access token (at_hash)")


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        told = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _error(raw: bytes) -> str:
    """The error of RFC 6749, section 5.2; nothing where it is none of those."""
    given = (_object(raw) or {}).get("error")
    return given if given in _ERRORS else ""


def _seconds_before(date: str, now_us: int) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now_us / 1e6
    except (ValueError, TypeError, OverflowError):
        return None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The whole body, where it is not too much. Raises ClientPayloadError."""
    raw = bytearray()
    async for part in response.content.iter_any():
        raw += part
        if len(raw) > BYTES_MAX:
            raise aiohttp.ClientPayloadError
    return bytes(raw)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
