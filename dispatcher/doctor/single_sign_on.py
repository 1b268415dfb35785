"""What is wrong with the organisation's login: whether its provider is there, its clock, and whether it knows our secret."""

from __future__ import annotations

from config.findings import Finding, Level
from dispatcher.console.oidc import SKEW_SECONDS, Away, Provider, Unfit

#: Half of what a token is allowed: it goes on growing.
_AHEAD_WARN_SECONDS = SKEW_SECONDS / 2


async def look(provider: Provider, redirect: str) -> list[Finding]:
    """The provider, asked as for a login. `redirect`: where it sends people back to."""
    issuer = provider.client.issuer
    try:
        looked = await provider.looked_over(redirect)
    except Away:
        return [
            Finding(
                Level.WARN,
                "sign_on",
                f"{issuer} does not answer: people get in by their passwords alone",
                f"{issuer} 没有应答：目前只能用密码登录",
            )
        ]
    except Unfit as unfit:
        return [
            Finding(
                Level.BAD,
                "sign_on",
                f"{issuer} cannot be used, nobody gets in by it: {unfit.why}",
                f"{issuer} 无法使用，没有人能用它登录：{unfit.why}",
            )
        ]
    found = [
        Finding(
            Level.OK if looked.keys else Level.BAD,
            "sign_on",
            f"{issuer} answers, keys we can use: {looked.keys}",
            f"{issuer} 可用，可用的签名密钥 {looked.keys} 个",
        ),
        _clock(looked.ahead_seconds),
    ]
    return [*found, _secret(known=looked.known, given=bool(provider.client.client_secret))]


def _clock(ahead_seconds: float | None) -> Finding:
    if ahead_seconds is None:
        return Finding(
            Level.WARN, "sign_on.clock", "it does not say what time it has", "对方没有给出时间，无法比对时钟"
        )
    # Told in whole seconds, and it was under way.
    off = max(0.0, abs(ahead_seconds) - 1.0)
    level = Level.BAD if off > SKEW_SECONDS else Level.WARN if off > _AHEAD_WARN_SECONDS else Level.OK
    return Finding(
        level,
        "sign_on.clock",
        f"its clock is {off:.0f} s away from ours ({SKEW_SECONDS} s are allowed)",
        f"对方时钟与本机相差 {off:.0f} 秒（允许 {SKEW_SECONDS} 秒）",
    )


def _secret(*, known: bool | None, given: bool) -> Finding:
    if known is False:
        return Finding(
            Level.BAD,
            "sign_on.secret",
            "it does not know us by this client_id and secret: nobody gets in by it",
            "对方不认可本系统的 client_id 和密钥：没有人能用它登录",
        )
    if not given:
        return Finding(
            Level.WARN,
            "sign_on.secret",
            "there is none: anybody may say to the provider that they are us (YIJIAN_OIDC_CLIENT_SECRET)",
            "未设密钥：任何人都可向对方自称本系统（YIJIAN_OIDC_CLIENT_SECRET）",
        )
    if known is None:
        return Finding(
            Level.WARN,
            "sign_on.secret",
            "whether it knows our secret cannot be told",
            "无法判断对方是否认可密钥",
        )
    return Finding(Level.OK, "sign_on.secret", "it knows us by our secret", "对方认可本系统的密钥")
