"""Addresses: paths as clients send them, and what operators type."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.model import NULL_PATH, Address
from twistedmail_mta.smtp.address import parse_address, parse_forward_path, parse_reverse_path
from twistedmail_mta.smtp.errors import AddressError

GOOD = {
    "<joe@example.org>": ("joe", "example.org"),
    "<Joe@EXAMPLE.org>": ("Joe", "example.org"),
    " <joe@example.org>": ("joe", "example.org"),
    "joe@example.org": ("joe", "example.org"),
    "   joe@example.org": ("joe", "example.org"),
    "<joe@localhost>": ("joe", "localhost"),
    "<a.b.c@x>": ("a.b.c", "x"),
    "<user%other@here>": ("user%other", "here"),
    "<other!user@here>": ("other!user", "here"),
    "<!#$%&'*+-/=?^_`{|}~@x>": ("!#$%&'*+-/=?^_`{|}~", "x"),
    "<joe@_tcp.exa_mple.org>": ("joe", "_tcp.exa_mple.org"),
    "<joe@1and1.3com>": ("joe", "1and1.3com"),
    '<"joe"@x>': ("joe", "x"),
    '<"joe smith"@x>': ("joe smith", "x"),
    '<"a@b"@x>': ("a@b", "x"),
    r'<"a\"b\\c\d"@x>': ('a"b\\cd', "x"),
    '<"<>,;:()[]"@x>': ("<>,;:()[]", "x"),
    '<""@x>': ("", "x"),
    '"a b"@x': ("a b", "x"),
    "<@relay.example:joe@x>": ("joe", "x"),
    "<@a,@b,@[IPv6:::1]:joe@x>": ("joe", "x"),
    '<@a:"q q"@x>': ("q q", "x"),
    "<joe@[192.0.2.1]>": ("joe", "[192.0.2.1]"),
    "<joe@[192.000.002.001]>": ("joe", "[192.0.2.1]"),
    "<joe@[IPv6:2001:DB8::1]>": ("joe", "[IPv6:2001:db8::1]"),
    "<joe@[ipv6:0:0:0:0:0:0:0:1]>": ("joe", "[IPv6:::1]"),
    "<joe@[IPv6:::ffff:192.0.2.1]>": ("joe", "[IPv6:::ffff:192.0.2.1]"),
    "<joe@[x-tag:abc!~]>": ("joe", "[x-tag:abc!~]"),
    "<jürgen@x>": ("jürgen", "x"),
    "<用户@例子.测试>": ("用户", "xn--fsqu00a.xn--0zwm56d"),
    "<joe@BÜCHER.example>": ("joe", "xn--bcher-kva.example"),
    "<joe@bücher。example>": ("joe", "xn--bcher-kva.example"),
    "<joe@_dmarc.bücher.example>": ("joe", "_dmarc.xn--bcher-kva.example"),
    '<"é è"@x>': ("é è", "x"),
    "<" + "a" * 64 + "@x>": ("a" * 64, "x"),
    "<é" + "a" * 62 + "@x>": ("é" + "a" * 62, "x"),
    "<joe@" + "b" * 63 + ".x>": ("joe", "b" * 63 + ".x"),
    "<j@" + ".".join(["b" * 49] * 5) + ">": ("j", ".".join(["b" * 49] * 5)),
}

BAD = [
    "",
    " ",
    "<",
    ">",
    "< >",
    "<joe",
    "joe>",
    "<joe>",
    "joe",
    "<@x>",
    "<joe@>",
    "<joe@x.>",
    "<joe@.x>",
    "<joe@x..y>",
    "<joe@-x>",
    "<joe@x->",
    "<.joe@x>",
    "<joe.@x>",
    "<j..oe@x>",
    "<j oe@x>",
    "<joe@x y>",
    "<joe @x>",
    "<joe@x>y",
    "<joe@x>>",
    "<<joe@x>>",
    "<joe@@x>",
    "<joe@x@y>",
    "<joe@x,y>",
    "<jo(e)@x>",
    "<jo\\e@x>",
    '<"joe@x>',
    '<joe"@x>',
    '<"jo"e@x>',
    '<"jo"."e"@x>',
    '<"jo\\é"@x>',
    "<@a joe@x>",
    "<@a,joe@x>",
    "<@a,@b@x>",
    "@a:joe@x",
    "<joe@[192.0.2.256]>",
    "<joe@[192.0.2]>",
    "<joe@[192.0.2.1>",
    "<joe@192.0.2.1]>",
    "<joe@[]>",
    "<joe@[::1]>",
    "<joe@[IPv6:]>",
    "<joe@[IPv6:1::2::3]>",
    "<joe@[IPv6:fe80::1%eth0]>",
    "<joe@[-:x]>",
    "<joe@[tag:]>",
    "<joe@[tag:a[b]>",
    "<joe@[192.0.2.1]x>",
    "<j\0oe@x>",
    "<j\toe@x>",
    "<j\x7foe@x>",
    "<j\x85oe@x>",
    "<j\u2028oe@x>",
    "<j\u202eoe@x>",
    "<j\u2066oe@x>",
    '<"j\u2029oe"@x>',
    "<joe@x\0>",
    "<joe@x\x85>",
    '<"j\0"@x>',
    '<"j\x85"@x>',
    '<"j\\\x01"@x>',
    "<joe@a\udc80>",
    "<joe@xn--a\u2028>",
    "<joe@a\u0301\u200d.x>",
    "<" + "a" * 65 + "@x>",
    "<é" + "a" * 63 + "@x>",
    "<joe@" + "b" * 64 + ".x>",
    "<j@" + ".".join(["b" * 50] * 5) + ">",
    "<j@" + "b." * 128 + "b>",
    "<j@" + "é" * 300 + ">",
    "<joe@[x:" + "y" * 300 + "]>",
]


@pytest.mark.parametrize("text", GOOD)
def test_good_paths(text: str) -> None:
    """What the grammar allows, and what people type, is read alike as sender and recipient."""
    address = Address(*GOOD[text])

    assert parse_reverse_path(text) == (address, "")
    assert parse_forward_path(text + " NOTIFY=NEVER") == (address, " NOTIFY=NEVER")
    assert parse_address(str(address)) == address


@pytest.mark.parametrize("text", BAD)
def test_bad_paths(text: str) -> None:
    """Everything else is an error with a code of its own."""
    for parse in (parse_reverse_path, parse_forward_path):
        with pytest.raises(AddressError) as caught:
            parse(text)
        assert caught.value.code in {501, 553}


def test_null_path_is_for_senders() -> None:
    """`<>` is a reverse-path only (RFC 5321 section 4.1.2)."""
    assert parse_reverse_path("<>") == (NULL_PATH, "")
    assert parse_reverse_path(" <> SIZE=3") == (NULL_PATH, " SIZE=3")
    assert parse_address("") == NULL_PATH
    with pytest.raises(AddressError):
        parse_forward_path("<>")
    with pytest.raises(AddressError):
        parse_reverse_path("<>x")


@pytest.mark.parametrize("text", ["<postmaster>", "<Postmaster>", "<POSTMASTER>", "postmaster", '<"postmaster">'])
def test_postmaster_needs_no_domain(text: str) -> None:
    """RFC 5321 section 4.5.1: as a recipient, in any case."""
    assert parse_forward_path(text + " X=1") == (Address("postmaster", ""), " X=1")
    with pytest.raises(AddressError):
        parse_reverse_path(text)


def test_postmaster_typed() -> None:
    """The address that `str` writes for it is read again."""
    assert parse_address("Postmaster") == Address("postmaster", "")
    assert parse_address(str(Address("postmaster", ""))) == Address("postmaster", "")


@pytest.mark.parametrize("text", ["<a@b>", "a@b ", " a@b", "a@b c", "a", "@a:b@c", "a@b,c@d"])
def test_operators_type_addresses_alone(text: str) -> None:
    """No brackets, routes or parameters where an address is meant."""
    with pytest.raises(AddressError):
        parse_address(text)


LOCALS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
LABELS = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,8}[a-z0-9_])?", fullmatch=True)
DOMAINS = st.lists(LABELS, min_size=1, max_size=4).map(".".join) | st.ip_addresses(v=4).map("[{}]".format)


@settings(max_examples=300, derandomize=True)
@given(LOCALS, DOMAINS)
def test_written_and_read_again(local: str, domain: str) -> None:
    """An address survives `str`, brackets and parsing."""
    address = Address(local, domain)

    assert parse_address(str(address)) == address
    assert parse_reverse_path(f"<{address}> SIZE=1") == (address, " SIZE=1")


@settings(max_examples=500, derandomize=True)
@given(st.text(st.sampled_from('ab.@<>"\\[]:, é%\0') | st.characters(), max_size=20))
def test_junk_is_refused_or_canonical(text: str) -> None:
    """Nothing else than AddressError comes out, and what is read is stable."""
    for parse in (parse_reverse_path, parse_forward_path):
        try:
            address, _ = parse(text)
        except AddressError:
            continue
        assert parse_address(str(address)) == address
