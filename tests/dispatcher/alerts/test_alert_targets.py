"""Where messages may go: no spelling of an inner address gets through, whether typed, resolved or redirected to."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from far_side import Names, far_side, status
from yarl import URL

from dispatcher.alerts import targets
from dispatcher.alerts.targets import CheckedResolver, Lookup, TargetRefused, Targets, hop, refusal, target
from dispatcher.alerts.webhook import WebhookSender

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "223.5.5.5",
    "2400:3200::1",
    "2606:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
]
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # a cloud's metadata
    "100.64.0.1",
    "100.100.100.200",  # another cloud's
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "240.0.0.1",
    "0.1.2.3",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%2",
    "fec0::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2001:db8::1",
    "2001::1",
    "2002:a00:1::1",
    "3fff::1",
    "5f00::1",
    "100::1",
]
NEVER = [
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "ff02::1",
    "::ffff:0.0.0.0",
    "nonsense",
    "",
]


def test_only_public_addresses_are_gone_to_unless_others_are_allowed() -> None:
    for address in PUBLIC:
        assert refusal(address, Targets.NONE) == "", address
    for address in LOOPBACK:
        assert refusal(address, Targets.NONE) == "loopback address", address
        assert refusal(address, Targets.LOOPBACK) == "", address
        assert refusal(address, Targets.ALL) == "", address
    for address in PRIVATE:
        assert refusal(address, Targets.NONE) == "private address", address
        assert refusal(address, Targets.LOOPBACK) == "private address", address
        assert refusal(address, Targets.ALL) == "", address
    for address in NEVER:
        for allowed in Targets:
            assert refusal(address, allowed), address


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::1]/",
        "http://[::]/",
        "http://0/",
        "http://0.0.0.0/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://１２７.０.０.１/",
        "http://①②⑦.⓪.⓪.①/",
        "http://%31%32%37.0.0.1/",
        "http://127。0。0。1/",
        "http://user:pass@1.1.1.1/",
        "http://1.1.1.1@127.0.0.1/",
        "http://1.1.1.1\\@127.0.0.1/",
        "http://:80/",
        "ftp://1.1.1.1/",
        "file:///etc/passwd",
        "gopher://1.1.1.1/",
        "//1.1.1.1/",
        "1.1.1.1",
        "",
        "http://1.1.1.1:99999/",
        "http://1.1.1.1:0/",
        "http://1.1.1.1/ a",
        "http://1.1.1.1/\r\nHost: x",
        "http://1.1.1.1/" + "a" * 2000,
    ],
)
async def test_no_spelling_of_an_inner_address_reaches_anything(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is refused in words, and none opens a connection."""
    connected: list[object] = []
    real = socket.socket.connect
    monkeypatch.setattr(
        socket.socket, "connect", lambda one, address: connected.append(address) or real(one, address)
    )
    sender = WebhookSender(Targets.NONE)
    try:
        outcome = await sender.send(url=url, secret="", message_id="al-1", timestamp_seconds=1, body=b"{}")
    finally:
        await sender.close()
    assert outcome.fate == "failed"
    assert outcome.why.startswith("refused: "), outcome.why
    assert not [address for address in connected if "127.0.0.1" in str(address)]


def test_an_error_names_the_host_and_not_the_path() -> None:
    with pytest.raises(TargetRefused) as caught:
        target("http://10.1.2.3/hooks/s3cret?key=s3cret", Targets.LOOPBACK)
    assert str(caught.value) == "10.1.2.3: private address"
    with pytest.raises(TargetRefused) as caught:
        target("http://u:s3cret@10.1.2.3/", Targets.NONE)
    assert "s3cret" not in str(caught.value)
    assert "password" in str(caught.value)


def test_a_redirect_is_looked_at_like_any_other_target_and_keeps_tls() -> None:
    start = URL("https://hooks.example/a/b?c")
    assert str(hop(start, "/d", Targets.NONE)) == "https://hooks.example/d"
    assert str(hop(start, "e?f#g", Targets.NONE)) == "https://hooks.example/a/e?f"
    assert str(hop(start, "//other.example/", Targets.NONE)) == "https://other.example/"
    for location, reason in (
        ("http://hooks.example/", "https to http"),
        ("https://169.254.169.254/", "private"),
        ("https://[::1]/", "loopback"),
        ("ftp://hooks.example/", "http"),
        ("https://u:p@hooks.example/", "password"),
        ("https://hooks.example:99999/", "no URL"),
        ("https://[/", "no URL"),
    ):
        with pytest.raises(TargetRefused, match=reason):
            hop(start, location, Targets.NONE)


async def test_a_name_is_judged_by_what_it_resolves_to() -> None:
    names = Names(
        {
            "inner.example": ["10.0.0.7"],
            "metadata.example": ["169.254.169.254"],
            "six.example": ["fd00::1", "fe80::1"],
            "nothing.example": [],
        }
    )
    sender = WebhookSender(Targets.LOOPBACK, lookup=names)
    try:
        whys = {}
        for host in (*names.names, "unknown.example"):
            outcome = await sender.send(
                url=f"http://{host}/x", secret="", message_id="al-1", timestamp_seconds=1, body=b"{}"
            )
            whys[host] = (outcome.fate, outcome.why)
    finally:
        await sender.close()
    assert whys == {
        "inner.example": ("failed", "refused: private address"),
        "metadata.example": ("failed", "refused: private address"),
        "six.example": ("failed", "refused: private address"),
        "nothing.example": ("retry", "dns: no such name"),
        "unknown.example": ("retry", "dns: no such name"),
    }


async def test_of_several_addresses_only_the_allowed_ones_are_tried_and_the_name_is_asked_once() -> None:
    async with far_side(status(204)) as side:
        names = Names({"mixed.example": ["10.255.255.1", "fd00::1", "127.0.0.1"]})
        sender = WebhookSender(Targets.LOOPBACK, lookup=names)
        try:
            outcome = await sender.send(
                url=side.at("mixed.example"), secret="", message_id="al-1", timestamp_seconds=1, body=b"{}"
            )
        finally:
            await sender.close()
    assert outcome.fate == "delivered"
    assert side.got[0].headers["Host"] == f"mixed.example:{side.port}"
    assert names.asked == [
        "mixed.example"
    ]  # what was looked at is what was connected to: there is no second look


async def test_the_resolver_hands_on_only_what_is_allowed() -> None:
    names = Names(
        {"mixed.example": ["10.0.0.1", "1.1.1.1", "::1", "2400:3200::1"], "inner.example": ["10.0.0.1"]}
    )
    resolver = CheckedResolver(Targets.NONE, names)
    assert [found["host"] for found in await resolver.resolve("mixed.example", 80)] == [
        "1.1.1.1",
        "2400:3200::1",
    ]
    with pytest.raises(TargetRefused, match=r"inner\.example: private address"):
        await resolver.resolve("inner.example", 80)


async def test_the_socket_itself_is_the_last_fence() -> None:
    """Whatever way an address came by, no socket is opened for one that is not allowed."""
    made = targets.connector(Targets.NONE, per_host=0)
    try:
        factory = made._socket_factory
        assert factory is not None
        address = ("127.0.0.1", 80)
        with pytest.raises(TargetRefused, match="loopback"):
            factory((socket.AF_INET, socket.SOCK_STREAM, 0, "", address))
        opened = factory((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("1.1.1.1", 80)))
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        opened.close()
    finally:
        await made.close()


async def test_lookups_have_a_thread_each_and_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that hangs holds up no other name, and where too many hang the next is told so at once."""
    stuck = threading.Event()

    def lookup(host: str, port: int, *_: object, **__: object) -> list[object]:
        if host == "stuck.example":
            stuck.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    names = Lookup()
    hanging = [asyncio.create_task(names.resolve("stuck.example", 80)) for _ in range(40)]
    await asyncio.sleep(0)
    assert [found["host"] for found in await names.resolve("quick.example", 80)] == ["192.0.2.1"]
    hanging += [
        asyncio.create_task(names.resolve("stuck.example", 80)) for _ in range(targets.LOOKUPS_MAX - 40)
    ]
    await asyncio.sleep(0)
    with pytest.raises(socket.gaierror, match="too many"):
        await names.resolve("quick.example", 80)
    stuck.set()
    await asyncio.gather(*hanging)
    assert await names.resolve("quick.example", 80)
