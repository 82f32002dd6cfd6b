"""The way of a message: delays, clocks that can't be right, and what hosts found."""

from __future__ import annotations

from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.journey import MOST_HOPS, Journey, journey


def of(*fields: str) -> Journey:
    return journey(Header("".join(f"{field}\r\n" for field in fields).encode() + b"\r\n"))


def received(host: str, clock: str) -> str:
    return f"Received: from x.test by {host} with ESMTP id 1; Mon, 30 Nov 2026 {clock} +0000"


DATE = "Date: Mon, 30 Nov 2026 12:00:00 +0100"


def test_delays() -> None:
    """The oldest first, each since the one before; zones count; the first since it was written."""
    found = of(received("c", "11:01:00"), received("b", "11:00:20"), received("a", "11:00:05"), DATE)
    assert [(leg.hop.host, leg.delay, leg.clock) for leg in found.legs] == [("a", 5, ""), ("b", 15, ""), ("c", 40, "")]
    assert found.total == 60


def test_a_clock_that_is_behind() -> None:
    """A hop before the one before it is told, by how much; the next is measured from it."""
    found = of(received("c", "11:00:30"), received("b", "10:59:00"), received("a", "11:00:05"), DATE)
    assert [leg.delay for leg in found.legs] == [5, -65, 90]
    assert found.legs[1].clock.startswith("65 s before a had it: one of the two clocks is wrong")
    assert not found.legs[0].clock + found.legs[2].clock


def test_a_second_is_no_error() -> None:
    """Fields tell whole seconds, so clocks that are right may seem to differ by one."""
    found = of(received("b", "11:00:04"), received("a", "11:00:05"), DATE)
    assert (found.legs[1].delay, found.legs[1].clock) == (-1, "")


def test_written_after_it_came() -> None:
    """The Date of a client whose clock is ahead."""
    found = of(received("a", "10:00:00"), DATE)
    assert found.legs[0].clock.startswith("3600 s before the message was written, as its Date says")


def test_times_that_are_missing() -> None:
    """A hop without one has no delay; the next is measured from the last that has."""
    found = of(received("c", "11:00:30"), "Received: by b", received("a", "11:00:05"))
    assert [leg.delay for leg in found.legs] == [None, None, 25]
    assert found.legs[1].clock == "the field has no time that can be read"
    assert (found.written_at, found.total) == (None, 25)


def test_verdicts() -> None:
    """Authentication-Results, those of ARC with their number, seals, Received-SPF and signatures, as they stand."""
    found = of(
        "Authentication-Results: mx.test; spf=pass smtp.mailfrom=a@b.test; dkim=fail (bad) header.d=b.test; dmarc=pass",
        "ARC-Seal: i=2; a=rsa-sha256; cv=pass; d=list.test; s=arc; b=x",
        "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=first.test; s=arc; b=x",
        "ARC-Authentication-Results: i=1; first.test; spf=softfail smtp.mailfrom=c.test",
        "Authentication-Results: inner.test; none",
        "Received-SPF: Pass (mx.test: domain of a@b.test designates ...) client-ip=192.0.2.1;",
        "DKIM-Signature: v=1; a=rsa-sha256; d=b.test; s=s1; h=from; bh=x; b=y",
    )
    said = [
        (each.instance, each.results.service, [(one.method, one.result) for one in each.results.statements])
        for each in found.verdicts
    ]
    assert said == [
        (0, "mx.test", [("spf", "pass"), ("dkim", "fail"), ("dmarc", "pass")]),
        (0, "inner.test", []),
        (1, "first.test", [("spf", "softfail")]),
    ]
    assert found.seals == ((2, "list.test", "pass"), (1, "first.test", "none"))
    assert found.received_spf == ("pass",)
    assert found.signatures == (("b.test", "s1"),)


def test_what_people_know_it_by() -> None:
    """Decoded, on one line, bounded."""
    found = of("Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from far", "From: a@b.test", "To: " + "x" * 5000)
    fields = dict(found.fields)
    assert fields["Subject"] == "Gr\u00fc\u00dfe from far"
    assert len(fields["To"]) == 500


def test_nothing_and_too_much() -> None:
    """No field is no hop; of very many some aren't read, and how many is told."""
    assert of("Subject: x").legs == ()
    found = of(*[received("a", "11:00:00")] * (MOST_HOPS + 7))
    assert (len(found.legs), found.more) == (MOST_HOPS, 7)
