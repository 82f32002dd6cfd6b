"""What searches and sorting make of texts: charsets, encoded words, case, dates, subjects, Message-IDs."""

from __future__ import annotations

import codecs
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.base_subject import base_subject
from twistedmail_mta.mail.casemap import casemapped
from twistedmail_mta.mail.charset import TextDecoder, decoded_text
from twistedmail_mta.mail.decoded_field import MAX_WORDS, decoded_field
from twistedmail_mta.mail.envelope import envelope
from twistedmail_mta.mail.message_ids import MAX_IDS, first_message_id, message_ids
from twistedmail_mta.mail.needles import Needles
from twistedmail_mta.mail.sent_date import sent_date, sent_day
from twistedmail_mta.mail.stored_envelope import AUTHORS, COPIES, RECIPIENTS, first_mailbox, items, subject
from twistedmail_mta.mail.stored_envelope import date as stored_date

CHARSETS = [
    *("utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1251", "koi8-r", "koi8-u", "shift_jis", "euc-jp"),
    *("iso-2022-jp", "gb2312", "gbk", "gb18030", "big5", "euc-kr", "utf-7", "utf-16", "utf-16be", "utf-16le", "utf-32"),
    *("hz-gb-2312", "iso-2022-kr", "windows-874", "macintosh", "ks_c_5601-1987", "cp437", "cp037", "x-nowhere", ""),
]


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("Hello", "HELLO"),
        ("Jörg", "JO\u0308RG"),
        ("JÖRG", "JO\u0308RG"),
        ("jo\u0308rg", "JO\u0308RG"),
        ("straße", "STRAßE"),
        ("Ǆ", "Dz\u030c"),
        ("ǆ", "Dz\u030c"),
        ("поиск", "ПОИСК"),
        ("ﬁ", "fi"),
        ("한", "\u1112\u1161\u11ab"),
        ("ς", "Σ"),
        ("\u2122", "TM"),
    ],
)
def test_casemap(text: str, compared: str) -> None:
    """RFC 5051 section 2."""
    assert casemapped(text).decode() == compared
    assert casemapped(text.encode()).decode() == compared


@given(st.text(), st.text())
def test_casemap_is_letter_by_letter(first: str, second: str) -> None:
    """So a text can be mapped in pieces."""
    assert casemapped(first + second) == casemapped(first) + casemapped(second)


@given(st.sampled_from(CHARSETS), st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4))
@settings(max_examples=500)
def test_charsets_never_fail(charset: str, octets: bytes, cuts: list[int]) -> None:
    """Any octets are some text in any charset, wherever they are cut."""
    decoder = TextDecoder(charset.encode())
    places = [0, *sorted(cuts), len(octets)]
    pieces = [octets[start:end] for start, end in pairwise(places)]

    text = "".join([decoder.decode(piece) for piece in pieces]) + decoder.decode(b"", final=True)

    assert charset in {"utf-7", "hz-gb-2312"} or text == decoded_text(charset.encode(), octets)
    text.encode("utf-8", "replace")


@pytest.mark.parametrize("charset", [charset for charset in CHARSETS if charset not in {"", "x-nowhere"}])
def test_charsets(charset: str) -> None:
    """What can be written is read, wherever it is cut."""
    codec = {"windows-874": "cp874", "macintosh": "mac_roman", "ks_c_5601-1987": "cp949"}.get(charset, charset)
    text = "".join(
        letter
        for letter in "text é п 日 中 한 ก +~"
        if letter in codecs.decode(codecs.encode("text é п 日 中 한 ก +~", codec, "ignore"), codec)
    )
    octets = codecs.encode(text, codec)

    for cut in range(len(octets) + 1):
        decoder = TextDecoder(charset.upper().encode())
        assert decoder.decode(octets[:cut]) + decoder.decode(octets[cut:], final=True) == text


@pytest.mark.parametrize(
    "name", [b"idna", b"punycode", b"base64", b"unicode_escape", b"rot13", b"undefined", b"\xff", b"a\0b"]
)
def test_what_is_no_charset(name: bytes) -> None:
    """Python's codecs for other things aren't used."""
    assert decoded_text(name, b"xn--a \\u0041 =41") == "xn--a \\u0041 =41"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?q?J=C3=B6rg_M?= x", "Jörg M x"),
        (b"=?utf-8?b?SsO2cmc=?=", "Jörg"),
        (b"a =?utf-8?q?b?= =?utf-8?q?c?= d", "a bc d"),
        (b"=?utf-8?q?b?=\r\n =?utf-8?q?c?=", "bc"),
        (b"=?utf-8?q?b?= c =?utf-8?q?d?=", "b c d"),
        (b"=?utf-8?b?S8M=?= =?utf-8?b?tmxu?=", "Köln"),
        (b"=?utf-8?q?a?= =?iso-8859-1?q?=F6?=", "aö"),
        (b"=?iso-8859-1*de?Q?=F6?=", "ö"),
        (b"=?utf-8?q?with blanks?=", "with blanks"),
        (b"(=?utf-8?q?a?=)", "(a)"),
        (b"=?utf-8?q??=", ""),
        (b"=?utf-8?q?no end", "=?utf-8?q?no end"),
        (b"=?utf-8?x?no?=", "=?utf-8?x?no?="),
        (b"=?nowhere?q?=FC?=", "ü"),
        (b"J\xc3\xb6rg", "Jörg"),
        (b"J\xf6rg", "Jörg"),
        (b"two\r\n\t lines", "two lines"),
    ],
)
def test_decoded_fields(value: bytes, text: str) -> None:
    """RFC 2047."""
    assert decoded_field(value) == text


def test_many_encoded_words() -> None:
    """Those over the limit are left as they came."""
    text = decoded_field(b"=?x?q?a?= " * (MAX_WORDS + 1))

    assert text == "a" * MAX_WORDS + " =?x?q?a?= "


@given(st.lists(st.sampled_from([b"=?", b"utf-8", b"?q?", b"?b?", b"=C3", b"?=", b" ", b"\r\n ", b"a", b"\xff"])))
def test_broken_words_never_fail(pieces: list[bytes]) -> None:
    decoded_field(b"".join(pieces))


@pytest.mark.parametrize(
    ("value", "day", "at"),
    [
        (b"Sat, 21 Nov 2026 08:00:00 +0000", date(2026, 11, 21), 1_795_248_000),
        (b"Sat, 21 Nov 2026 08:00 +0100", date(2026, 11, 21), 1_795_244_400),
        (b"Sat, 21 Nov 2026 23:00:00 -0800", date(2026, 11, 21), 1_795_330_800),
        (b"31 Dec 2000 16:01:33 -0800", date(2000, 12, 31), 978_307_293),
        (b"21 Nov 26 08:00:00 GMT", date(2026, 11, 21), 1_795_248_000),
        (b"21 Nov 99 08:00:00 EST", date(1999, 11, 21), 943_189_200),
        (b"21 Nov 126 08:00:00 UT", date(2026, 11, 21), 1_795_248_000),
        (b"Sat, 21 Nov 2026 08:00:00 +9999", date(2026, 11, 21), 1_795_248_000),
        (b"Sat, 21 Nov 2026 08:00:00 nowhere", date(2026, 11, 21), 1_795_248_000),
        (b"Sat, 21 Nov 2026 24:00:00 +0100", date(2026, 11, 21), 1_795_219_200),
        (b"21 Nov 2026", date(2026, 11, 21), 1_795_219_200),
        (b"Sat (day), 21 (d) Nov 2026 08:00:00 (t) +0000", date(2026, 11, 21), None),
        (b"Sat, 21-Nov-2026 08:00:60 +0000", date(2026, 11, 21), 1_795_248_059),
        (b"Saturday, 21 November 2026 08.00.00", date(2026, 11, 21), 1_795_248_000),
    ],
)
def test_sent_dates(value: bytes, day: date, at: int | None) -> None:
    """RFC 5256 section 2.2: a zone that isn't valid is UTC, a time that isn't is 00:00:00."""
    found = sent_date(value)

    assert found is not None
    assert date.fromordinal(found.day) == day
    assert sent_day(value) == found.day
    assert at is None or found.at == at


@pytest.mark.parametrize(
    "value", [b"", b"nonsense", b"31 Feb 2026 08:00:00", b"21 Nix 2026", b"2026-11-21", b"21 Nov 0000"]
)
def test_what_is_no_date(value: bytes) -> None:
    assert sent_date(value) is None
    assert sent_day(value) == 0


@pytest.mark.parametrize(
    ("text", "base", "answers"),
    [
        ("hello", "hello", False),
        ("", "", False),
        ("  hello \t world ", "hello world", False),
        ("Re: hello", "hello", True),
        ("RE:hello", "hello", True),
        ("re : hello", "hello", True),
        ("Fw: hello", "hello", True),
        ("Fwd: hello", "hello", True),
        ("Fwdd: hello", "Fwdd: hello", False),
        ("Re[2]: hello", "hello", True),
        ("Re [2] : hello", "hello", True),
        ("Re: Fwd: re: hello", "hello", True),
        ("hello (fwd)", "hello", True),
        ("hello (FWD) (fwd) ", "hello", True),
        ("[list] hello", "hello", False),
        ("[list] Re: hello", "hello", True),
        ("Re: [list] hello", "hello", True),
        ("[a] [b] Re: [c] Re: [d] hello", "hello", True),
        ("[list]", "[list]", False),
        ("[a] [b]", "[b]", False),
        ("Re: [list]", "[list]", True),
        ("[fwd: hello]", "hello", True),
        ("[Fwd: Re: hello (fwd)]", "hello", True),
        ("Re: [fwd: [list] hello ]", "hello", True),
        ("[fwd: [fwd: hello]]", "hello", True),
        ("[fwd: hello", "[fwd: hello", False),
        ("[fwd:]", "", True),
        ("Re:", "", True),
        ("(fwd)", "", True),
        ("hello [x]", "hello [x]", False),
        ("[a[b]] hello", "[a[b]] hello", False),
        ("re", "re", False),
        ("reply: hello", "reply: hello", False),
    ],
)
def test_base_subjects(text: str, base: str, answers: bool) -> None:
    """RFC 5256 section 2.1."""
    assert base_subject(text) == (base, answers)


@pytest.mark.parametrize(
    "text", ["[a]", "[a] ", "re:", "(fwd)", "[fwd:", "re[a]", "[re:", " ", "[fwd: ]", "[fwd:x] ", "[a]re:", "[]"]
)
def test_long_subjects(text: str) -> None:
    """However they repeat, it takes no time worth telling; else the test would take hours."""
    base_subject(text * 200_000 + "]" * 200_000)


def test_message_ids() -> None:
    """RFC 5256 section 3: quotes that needn't be there make no difference; other words count for nothing."""
    assert (
        message_ids(b'<"01KF8JCEOCBS0045PS"@xxx.yyy.com> <01KF8JCEOCBS0045PS@xxx.yyy.com>')
        == [b"01KF8JCEOCBS0045PS@xxx.yyy.com"] * 2
    )
    assert message_ids(b"<a@b>\r\n\t<c@d>,<e@f> (x) Your message <x> <@y> <z@> of <g@h>") == [
        b"a@b",
        b"c@d",
        b"e@f",
        b"g@h",
    ]
    assert message_ids(b'<"a\\"b c"@d>') == [b'a"b c@d']
    assert message_ids(b"<A@b>") != message_ids(b"<a@b>")
    assert first_message_id(b"Message from Ann <ann@x.test> <b@c>") == b"ann@x.test"
    assert first_message_id(b"today") is None
    many = message_ids(b"".join(b"<%d@x>" % number for number in range(MAX_IDS + 5)))
    assert (len(many), many[0], many[1], many[-1]) == (MAX_IDS, b"0@x", b"6@x", b"%d@x" % (MAX_IDS + 4))


@given(
    st.lists(st.sampled_from([b"Ann", b"<", b">", b"@", b"x.test", b",", b":", b";", b'"', b"\\", b"(", b")", b"\xf6"]))
)
def test_first_mailboxes(pieces: list[bytes]) -> None:
    """They are found at once, without reading all of it, or not."""
    value = b" ".join(pieces)
    whole = envelope(b"From: a@x\r\nTo: %b\r\nCc: %b\r\n\r\n" % (value, value))
    addresses = items(whole)[RECIPIENTS]
    expected = addresses[0][2] if isinstance(addresses, list) and isinstance(addresses[0], list) else b""

    assert first_mailbox(whole, AUTHORS) == b"a"
    assert first_mailbox(whole, RECIPIENTS) == first_mailbox(whole, COPIES) == (expected or b"")


def test_stored_envelopes() -> None:
    """What ENVELOPE says is read back, whatever had to be quoted."""
    header = (
        b'Date: today\r\nSubject: a "b" \\ c\r\nFrom: "x \\"y\\"" <Ann@x.test>\r\nTo: team: bob@x.test;\r\n'
        b"Cc: J\xf6rg <j\xf6rg@x.test>, d@x.test\r\n\r\n"
    )
    whole = envelope(header)

    assert (stored_date(whole), subject(whole)) == (b"today", b'a "b" \\ c')
    assert [first_mailbox(whole, place) for place in (AUTHORS, RECIPIENTS, COPIES)] == [
        b"Ann",
        b"team",
        b"j\xf6rg",
    ]
    assert (stored_date(envelope(b"Subject: x\r\n\r\n")), subject(envelope(b"Date: x\r\n\r\n"))) == (None, None)
    assert items(b"nonsense") == []
    assert first_mailbox(envelope(b"\r\n"), AUTHORS) == b""


@given(st.lists(st.text("ab", max_size=3), max_size=4), st.lists(st.text("ab", max_size=5), max_size=5))
def test_needles(wanted: list[str], pieces: list[str]) -> None:
    """What is in the whole is found in its pieces, and nothing else."""
    needles = Needles(needle.encode() for needle in wanted)

    for piece in pieces:
        needles.look(piece.encode())

    assert needles.missing == {needle.encode() for needle in wanted if needle not in "".join(pieces)}


def test_needles_do_not_lie_across_a_cut() -> None:
    needles = Needles([b"AB"])

    needles.look(b"A")
    needles.cut()
    needles.look(b"B")

    assert needles.missing
