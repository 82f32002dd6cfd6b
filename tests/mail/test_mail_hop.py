"""Received fields as their many makers write them, and what nobody should have written."""

from __future__ import annotations

import time
from random import Random

import pytest

from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.hop import Hop, read_hop
from twistedmail_mta.mail.received import Trace, received_field
from twistedmail_mta.model import Address

NOON = 1796036400  # 2026-11-30 11:00:00 UTC

FIELDS = {
    "Postfix": (
        (b"from mail.example.com (mail.example.com [192.0.2.1])\r\n"
        b"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
        b"\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n"
        b"\t(No client certificate requested)\r\n\tby mx.example.org (Postfix) with ESMTPS id 4F2Abc\r\n"
        b"\tfor <bob@example.org>; Mon, 30 Nov 2026 12:00:00 +0100 (CET)"),
        Hop("mail.example.com", "192.0.2.1", "", "mx.example.org", "ESMTPS", "4F2Abc", "bob@example.org",
            "TLS 1.3 TLS_AES_256_GCM_SHA384", "Postfix", NOON),
    ),
    "Postfix, a client with another name": (
        (b"from laptop (host-1.isp.example [192.0.2.7]) by mx.example.org (Postfix) with ESMTPSA id 4F2Abd;"
        b" Mon, 30 Nov 2026 12:00:00 +0100 (CET)"),
        Hop("host-1.isp.example", "192.0.2.7", "laptop", "mx.example.org", "ESMTPSA", "4F2Abd", "", "yes", "Postfix",
            NOON),
    ),
    "Postfix, a local program": (
        b"by web.example.org (Postfix, from userid 33)\r\n\tid ABC; Mon, 30 Nov 2026 12:00:00 +0100 (CET)",
        Hop(host="web.example.org", id="ABC", program="Postfix", at=NOON),
    ),
    "Exim": (
        (b"from [192.0.2.1] (helo=laptop)\r\n\tby mx.example.org with esmtpsa (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n"
        b"\t(Exim 4.96)\r\n\t(envelope-from <a@b.test>)\r\n\tid 1rABCD-0001xy-2Z\r\n\tfor bob@example.org;"
        b" Mon, 30 Nov 2026 12:00:00 +0100"),
        Hop("laptop", "192.0.2.1", "", "mx.example.org", "esmtpsa", "1rABCD-0001xy-2Z", "bob@example.org",
            "TLS 1.3 TLS_AES_256_GCM_SHA384", "Exim 4.96", NOON),
    ),
    "Exim, with a port": (
        (b"from host.x.test ([192.0.2.1]:5432 helo=mx.x.test) by mx.example.org with esmtp (Exim 4.94.2) id 1;"
        b" Mon, 30 Nov 2026 12:00:00 +0100"),
        Hop("host.x.test", "192.0.2.1", "mx.x.test", "mx.example.org", "esmtp", "1", "", "", "Exim 4.94.2", NOON),
    ),
    "Exchange": (
        (b"from AM0.eurprd08.prod.outlook.com (2603:10a6:208:1::20)\r\n by VI1.eurprd08.prod.outlook.com"
        b" (2603:10a6:803:1::10) with Microsoft\r\n SMTP Server (version=TLS1_2,"
        b" cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id\r\n 15.20.7091.20; Mon, 30 Nov 2026 11:00:00 +0000"),
        Hop("AM0.eurprd08.prod.outlook.com", "2603:10a6:208:1::20", "", "VI1.eurprd08.prod.outlook.com",
            "Microsoft SMTP Server", "15.20.7091.20", "", "TLS 1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "Microsoft SMTP Server", NOON),
    ),
    "Exchange inside": (
        (b"from AM0.outlook.com\r\n ([fe80::1]) by AM0.outlook.com ([fe80::1%4]) with mapi id 15.20.7091.20;"
        b" Mon, 30 Nov 2026 11:00:00 +0000"),
        Hop("AM0.outlook.com", "fe80::1", "", "AM0.outlook.com", "mapi", "15.20.7091.20", at=NOON),
    ),
    "Gmail": (
        (b"from mail-ed1.google.com (mail-ed1.google.com. [2a00:1450:4864:20::52a])\r\n        by mx.google.com with"
        b" ESMTPS id x1-2005\r\n        for <bob@gmail.com>\r\n        (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256"
        b" bits=128/128);\r\n        Mon, 30 Nov 2026 03:00:00 -0800 (PST)"),
        Hop("mail-ed1.google.com", "2a00:1450:4864:20::52a", "", "mx.google.com", "ESMTPS", "x1-2005", "bob@gmail.com",
            "TLS 1.3 TLS_AES_128_GCM_SHA256", "", NOON),
    ),
    "Gmail inside": (
        b"by 2002:a05:6402:1234:b0:123:4567:89ab with SMTP id abc123;\r\n        Mon, 30 Nov 2026 03:00:00 -0800 (PST)",
        Hop(host="2002:a05:6402:1234:b0:123:4567:89ab", protocol="SMTP", id="abc123", at=NOON),
    ),
    "Sendmail": (
        (b"from foo.bar.test (foo.bar.test [192.0.2.3])\r\n\tby sm.example (8.17.1/8.17.1) with ESMTPS id 5ABC\r\n"
        b"\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NOT)\r\n\tfor <bob@example.org>;"
        b" Mon, 30 Nov 2026 12:00:00 +0100"),
        Hop("foo.bar.test", "192.0.2.3", "", "sm.example", "ESMTPS", "5ABC", "bob@example.org",
            "TLS 1.3 TLS_AES_256_GCM_SHA384", "Sendmail 8.17.1", NOON),
    ),
    "qmail": (
        b"from unknown (HELO foo.test) (192.0.2.9)\r\n  by qmail.example with SMTP; 30 Nov 2026 11:00:00 -0000",
        Hop("foo.test", "192.0.2.9", "", "qmail.example", "SMTP", at=NOON),
    ),
    "qmail inside": (
        b"(qmail 12345 invoked by uid 89); 30 Nov 2026 11:00:00 -0000",
        Hop(program="qmail", at=NOON),
    ),
    "OpenSMTPD": (
        (b"from localhost (localhost [127.0.0.1]) by a.test (OpenSMTPD) with ESMTPS id 1"
        b" (TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO) for <b@c.test>; Mon, 30 Nov 2026 11:00:00 +0000 (UTC)"),
        Hop("localhost", "127.0.0.1", "", "a.test", "ESMTPS", "1", "b@c.test", "TLS 1.3 TLS_AES_256_GCM_SHA384",
            "OpenSMTPD", NOON),
    ),
    "Dovecot": (
        (b"from mx.x.test ([192.0.2.1])\r\n\tby dovecot.x.test with LMTP\r\n\tid abcDEF (envelope-from <a@b.test>)\r\n"
        b"\tfor <bob@x.test>; Mon, 30 Nov 2026 12:00:00 +0100"),
        Hop("mx.x.test", "192.0.2.1", "", "dovecot.x.test", "LMTP", "abcDEF", "bob@x.test", at=NOON),
    ),
    "fetchmail": (
        (b"from pop.x.test [192.0.2.1] by localhost with POP3 (fetchmail-6.4.21) for <bob@localhost> (single-drop);"
        b" Mon, 30 Nov 2026 12:00:00 +0100 (CET)"),
        Hop("pop.x.test", "192.0.2.1", "", "localhost", "POP3", "", "bob@localhost", "", "fetchmail-6.4.21", NOON),
    ),
    "Yahoo": (
        (b"from 192.0.2.1 (EHLO mail.test) (192.0.2.1) by mta1.yahoo.test with SMTPS (version=TLS1_2"
        b" cipher=ECDHE-RSA-AES128-GCM-SHA256); Mon, 30 Nov 2026 11:00:00 +0000"),
        Hop("192.0.2.1", "192.0.2.1", "mail.test", "mta1.yahoo.test", "SMTPS", "", "",
            "TLS 1.2 ECDHE-RSA-AES128-GCM-SHA256", "", NOON),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_of_many_programs(name: str) -> None:
    """Who, where, by what, when, and TLS as far as it is said."""
    field, expected = FIELDS[name]
    assert read_hop(field) == expected


@pytest.mark.parametrize("recipient", [None, Address("bob", "home.test")])
def test_our_own(recipient: Address | None) -> None:
    """What we write, we can read."""
    trace = Trace(
        "me.test", "2001:db8::1", "mail.example.org", "ESMTPS", "host.me.test", "TLSv1.3 TLS_AES_256_GCM_SHA384"
    )
    field = received_field(trace, "0cpgj61sg0000", recipient, date_text(NOON, 3600))
    assert read_hop(field.removeprefix(b"Received:")) == Hop(
        "host.me.test", "2001:db8::1", "me.test", "mail.example.org", "ESMTPS", "0cpgj61sg0000", str(recipient or ""),
        "TLS 1.3 TLS_AES_256_GCM_SHA384", "", NOON,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"", Hop()),
        (b"from", Hop()),
        (b";;;", Hop()),
        (b"from a by b; some day", Hop("a", host="b")),
        (b"from a (;) by b", Hop("a", host="b")),
        (b"from a by b; 30 Nov 2026 11:00:00 +0000 (a; b)", Hop("a", host="b", at=NOON)),
        (b"from a (;) by b (;", Hop("a", host="b")),
        (b"by x by y; 30 Nov 2026 11:00:00 +0000", Hop(host="x", at=NOON)),
        (b"from a\xff.test by \xe2\x82\xac; 30 Nov 2026 11:00:00 +0000", Hop("a\ufffd.test", host="\u20ac", at=NOON)),
    ],
)
def test_what_is_hardly_one(field: bytes, expected: Hop) -> None:
    """What can be read is told; nothing raises."""
    assert read_hop(field) == expected


def test_hostile_fields_take_no_time() -> None:
    """Whatever they are made of, reading them is linear: no comment, quote or name makes it try again and again."""
    pieces = [
        b"(",
        b")",
        b'"',
        b"\\",
        b";",
        b"from ",
        b"[1.",
        b":" * 50,
        b"a" * 200,
        b"TLS",
        b"cipher=",
        b"-_" * 50,
        b"\r\n ",
    ]
    dice = Random(5)
    begin = time.process_time()
    for piece in pieces:
        read_hop(piece * (100_000 // len(piece)))
    for _ in range(300):
        read_hop(b"".join(dice.choices(pieces, k=200)))
    assert time.process_time() - begin < 5.0
