"""Addresses that outbound HTTP must not reach, and URLs that must not be sent."""

import ipaddress

import pytest

from reactor.connectors.http.address import join_base, parse
from reactor.connectors.http.guard import Guard, Refused, is_public
from reactor.sdk import PermanentError

PRIVATE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "168.63.129.16",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.1.1", "198.18.0.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "172.15.0.1",
    "172.32.0.1",
    "192.167.0.1",
    "2606:4700::1111",
    "2a00:1450:4001:80b::200e",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_private(text):
    address = ipaddress.ip_address(text)
    assert not is_public(address)
    with pytest.raises(Refused, match="not a public address"):
        Guard().check("some.example", address)
    Guard(["*"]).check("some.example", address)


@pytest.mark.parametrize("text", PUBLIC)
def test_public(text):
    assert is_public(ipaddress.ip_address(text))
    Guard().check("some.example", ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "host", ["0x7f.1", "2130706433", "017700000001", "127.1", "0x7f000001", "1.2.3", "8.8.8", "127.0.0.1."]
)
def test_unusual_spellings(host):
    with pytest.raises(Refused, match="unusual spelling"):
        Guard().check_host(host)


def test_names_are_no_addresses():
    for host in ["example.com", "a1.example", "1a", "x.0a", "localhost"]:
        assert Guard().check_host(host) is None


def test_what_is_allowed():
    guard = Guard(["localhost", "*.Internal.example", "10.0.0.0/8", "127.0.0.1", "fd00::/8", "[::1]"])
    loopback = ipaddress.ip_address("127.0.0.1")
    for host, address in [
        ("LOCALHOST", "192.168.0.1"),
        ("a.b.internal.example", "192.168.0.1"),
        ("x", "10.200.0.1"),
        ("x", "127.0.0.1"),
        ("x", "::ffff:127.0.0.1"),
        ("x", "fd00::1"),
        ("x", "::1"),
    ]:
        guard.check(host, ipaddress.ip_address(address))
    for host, address in [
        ("notlocalhost", "127.0.0.2"),
        ("internal.example", "192.168.0.1"),
        ("evilinternal.example", "192.168.0.1"),
        ("x", "192.168.0.1"),
        ("x", "169.254.169.254"),
    ]:
        with pytest.raises(Refused):
            guard.check(host, ipaddress.ip_address(address))
    assert loopback == guard.check_host("127.0.0.1")


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "not a host", "", "0x7f.1"])
def test_a_wrong_entry(entry):
    with pytest.raises(ValueError, match=r"http_allow|network|address"):
        Guard([entry])


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://Example.COM", "example.com", 80, "/"),
        ("https://example.com/a b?q=ü#frag", "example.com", 443, "/a%20b?q=%C3%BC"),
        ("https://example.com:8443/a%2Fb", "example.com", 8443, "/a%2Fb"),
        ("http://[::1]:8080/x", "::1", 8080, "/x"),
        ("https://faß.example/", "xn--fa-hia.example", 443, "/"),
        ("http://user:pa%20ss@h.example/", "h.example", 80, "/"),
        ("http://good.example@evil.example/", "evil.example", 80, "/"),
        ("http://my_host/", "my_host", 80, "/"),
    ],
)
def test_urls(url, host, port, path):
    target = parse(url, {})
    assert (target.origin.host, target.origin.port, target.path) == (host, port, path)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://h/", "gopher://h/", "//h/", "h/", "", "http://", "http:///x", "http://h:99999/",
        "http://h:x/", "http://h\r\nX: y/", "http://h/\r\nX: y", "http://h/\t", "http://a\\@b/", "http://a b/",
        "http://[::1%25eth0]/", "http://[zz]/",
        "http://h/\x00", "http://-h/", "http://h%2e/", "http://a/" + "x" * 20_000,
    ],
)  # fmt: skip
def test_urls_that_are_refused(url):
    with pytest.raises(PermanentError) as caught:
        parse(url, {})
    assert caught.value.kind == "input"


def test_query_and_what_is_shown():
    target = parse("https://u:p@h.example:444/a?x=1", {"b": [1, True, None], "c": "ä&=", "d": None})
    assert target.path == "/a?x=1&b=1&b=true&c=%C3%A4%26%3D"
    assert (target.shown, target.authority) == ("https://h.example:444/a", "h.example:444")
    assert target.basic().password == "p"


def test_urls_below_a_base():
    assert join_base("https://h.example/v1/", "/users?a=1") == "https://h.example/v1/users?a=1"
    assert join_base("https://h.example/v1", "users") == "https://h.example/v1/users"
    assert join_base("https://h.example/v1", "/login?to=http://x/") == "https://h.example/v1/login?to=http://x/"
    assert join_base("https://h.example/v1", "https://h.example/other") == "https://h.example/other"
    for elsewhere in ["https://evil.example/", "http://h.example/"]:
        with pytest.raises(PermanentError, match="not on the connection's host"):
            join_base("https://h.example/v1", elsewhere)
