"""The messages that RFC 6376 and RFC 8463 print."""

from __future__ import annotations

from dkim_made import verdicts

TEXT = b"""Hi.

We lost the game. Are you hungry yet?

Joe.
"""
FIELDS = b"""From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

"""
RFC6376 = b"""DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;
      c=simple/simple; q=dns/txt; i=joe@football.example.com;
      h=Received : From : To : Subject : Date : Message-ID;
      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB
        4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut
        KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV
        4bmp/YzhwvcubU4=;
Received: from client1.football.example.com  [192.0.2.1]
      by submitserver.example.com with SUBMISSION;
      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)
"""
RFC6376_KEY = (
    b"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQ"
    b"KBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
    b"IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v"
    b"/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi"
    b"tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
)
RFC8463 = b"""DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
"""
RFC8463_ZONE = {
    "brisbane._domainkey.football.example.com": (b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
    "test._domainkey.football.example.com": (
        b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
        b"iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
        b"DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
        b"Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ),
}


def wire(text: bytes) -> bytes:
    """Return a text as it is sent."""
    return text.replace(b"\n", b"\r\n")


def test_rfc6376_appendix_a() -> None:
    """The signed mail of appendix A.2, in simple form to the last space, with the key of appendix C."""
    (result,) = verdicts(wire(RFC6376 + FIELDS + TEXT), {"brisbane._domainkey.example.com": RFC6376_KEY})

    assert (result.word, result.domain, result.selector) == ("pass", "example.com", "brisbane")
    assert (result.identity, result.begin) == ("joe@football.example.com", "AuUoFEfD")


def test_rfc6376_appendix_a_changed() -> None:
    """One space more in a field that is signed in simple form, and the signature is broken."""
    changed = (RFC6376 + FIELDS + TEXT).replace(b"Is dinner", b"Is  dinner")

    (result,) = verdicts(wire(changed), {"brisbane._domainkey.example.com": RFC6376_KEY})

    assert (result.word, result.reason) == ("fail", "signature doesn't verify")


def test_rfc8463_appendix_a() -> None:
    """Both signatures pass, the Ed25519 one first."""
    results = verdicts(wire(RFC8463 + FIELDS + TEXT), RFC8463_ZONE)

    assert [result.word for result in results] == ["pass", "pass"]
    assert [result.algorithm for result in results] == ["ed25519-sha256", "rsa-sha256"]


def test_rfc8463_appendix_a_body_changed() -> None:
    """Neither passes once a word of the text is another; relaxed form forgives white space alone."""
    results = verdicts(wire(RFC8463 + FIELDS + TEXT.replace(b"lost", b"won")), RFC8463_ZONE)
    forgiven = verdicts(wire(RFC8463 + FIELDS + TEXT.replace(b"lost the", b"lost \t the") + b"\n\n"), RFC8463_ZONE)

    assert [(result.word, result.reason) for result in results] == [("fail", "body was changed")] * 2
    assert [result.word for result in forgiven] == ["pass", "pass"]
