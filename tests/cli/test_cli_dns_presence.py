"""What a site is to others, as its site file says, and what can't be known from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mta_command import SITE, Command

from twistedmail_mta.cli.dns_addresses import Known, known_addresses, seen_by_others, system_addresses
from twistedmail_mta.cli.dns_presence import Domains, Shown, presence_of, shown_certificates
from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.site import Site
from twistedmail_mta.networks import address_of
from twistedmail_mta.publishing.presence import Host, Presence

KNOWN = Known(("192.0.2.1", "2001:db8::1"), "those of server.addresses")
NOTHING = Shown((), ())


def site(text: str, base: str = SITE) -> Site:
    return parse_site(base + text, Path("/etc/mta"), "mta.toml")


def presence(text: str, known: Known = KNOWN) -> Presence:
    return presence_of(site(text), known, NOTHING, Domains(("example.org",)))


def test_addresses_of_the_site_file() -> None:
    """They come first, whatever they are: an operator knows them."""
    base = SITE.replace("[dns]", 'addresses = ["10.0.0.5", "2001:db8::1"]\n[dns]')

    assert known_addresses(site("", base)) == Known(("10.0.0.5", "2001:db8::1"), "those of server.addresses")


def test_addresses_of_listeners() -> None:
    """Where MX listeners are bound, if all are bound to addresses that others can see; loopback doesn't count."""
    six = "tcp6:25:interface=2001\\\\:db8\\\\:\\\\:7"
    here = f'["tcp:25:interface=192.0.2.7", "{six}", "tcp:25:interface=127.0.0.1"]'
    base = SITE.replace('"tcp:2525"', here)

    known = known_addresses(site("", base))

    assert known.addresses == ("192.0.2.7", "2001:db8::7")
    assert "MX listeners are bound to" in known.source


@pytest.mark.parametrize("endpoint", ["tcp:25", "tcp:25:interface=0.0.0.0", "tcp:25:interface=10.0.0.5"])
def test_addresses_of_the_system(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what the system sends from."""
    monkeypatch.setattr("twistedmail_mta.cli.dns_addresses.system_addresses", lambda: ["198.51.100.4"])

    known = known_addresses(site("", SITE.replace("tcp:2525", endpoint)))

    assert known.addresses == ("198.51.100.4",)
    assert "this system sends from" in known.source


def test_addresses_that_only_this_network_sees() -> None:
    """They are told, and never published."""
    known = seen_by_others(["10.1.2.3", "fe80::1", "::1", "2001:db8::1"])
    hidden = seen_by_others(["192.168.1.2"])

    assert (known.addresses, known.hidden) == (("2001:db8::1",), ("10.1.2.3", "fe80::1", "::1"))
    assert (hidden.addresses, hidden.source) == ((), "not known")
    (doubt,) = presence("", hidden).doubts
    assert doubt.startswith(
        "this host's addresses aren't known (it sees 192.168.1.2, which nobody else can reach): name"
    )


def test_system_addresses_are_addresses() -> None:
    """At most one of each family, without a zone."""
    found = system_addresses()

    assert len({address_of(each).version for each in found}) == len(found)  # type: ignore[union-attr]


def test_mail_leaves_from_where_it_comes_in() -> None:
    """As long as no source is named."""
    assert presence("").hosts == (Host("mail.example.org", KNOWN.addresses, KNOWN.addresses),)


def test_sources() -> None:
    """Each has its name in EHLO, which must lead to it; a family without one leaves from where mail comes in."""
    sources = '["192.0.2.2", { address = "192.0.2.3", ehlo = "out.example.org" }]'

    assert presence(f"[outbound]\nsource_addresses = {sources}\n").hosts == (
        Host("mail.example.org", ("192.0.2.1", "2001:db8::1", "192.0.2.2"), ("2001:db8::1", "192.0.2.2")),
        Host("out.example.org", ("192.0.2.3",), ("192.0.2.3",)),
    )


def test_source_with_another_name() -> None:
    """Of several known addresses the host's name needn't lead to that one; to the only one of a family it must."""
    text = '[outbound]\nsource_addresses = [{ address = "192.0.2.3", ehlo = "out.example.org" }]\n'
    out = Host("out.example.org", ("192.0.2.3",), ("192.0.2.3",))

    several = presence(text, Known(("192.0.2.1", "192.0.2.3", "2001:db8::1"), "known"))
    alone = presence(text, Known(("192.0.2.3", "2001:db8::1"), "known"))

    assert several.hosts == (Host("mail.example.org", ("192.0.2.1", "2001:db8::1"), ("2001:db8::1",)), out)
    assert alone.hosts == (Host("mail.example.org", ("192.0.2.3", "2001:db8::1"), ("2001:db8::1",)), out)


def test_source_behind_a_gateway() -> None:
    """What others see in its place isn't known, so nothing is said to be right; unless it is named as seen."""
    text = '[outbound]\nsource_addresses = ["10.0.0.5"]\n'

    assert presence(text).hosts == (Host("mail.example.org", KNOWN.addresses, ("2001:db8::1",)),)
    assert "mail leaves from 10.0.0.5, and what others see instead isn't known" in presence(text).doubts[0]
    seen = presence(text, Known(("10.0.0.5",), "those of server.addresses"))
    assert (seen.doubts, seen.hosts[0].outgoing) == ((), ("10.0.0.5",))


def test_services() -> None:
    """What others can reach, each once, TLS from the start preferred."""
    listeners = [
        ("a", "tcp:587", "submission", "starttls"),
        ("b", "tcp:465", "submission", "implicit"),
        ("c", "tcp:993", "imap", "implicit"),
        ("d", "tcp:1993", "imap", "implicit"),
        ("e", "tcp:143", "imap", "starttls"),
        ("f", "tcp:110:interface=127.0.0.1", "pop3", "starttls"),
        ("g", "unix:/run/mta/lmtp", "lmtp", "starttls"),
    ]
    text = "".join(
        f'[listen.{name}]\nendpoint = "{endpoint}"\nrole = "{role}"\ntls = "{tls}"\n'
        for name, endpoint, role, tls in listeners
    )

    found = [(each.label, each.port, each.priority) for each in presence(text).services]

    assert found == [
        ("_submission._tcp", 587, 10),
        ("_submissions._tcp", 465, 0),
        ("_imaps._tcp", 993, 0),
        ("_imap._tcp", 143, 10),
    ]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ('[[route]]\nmatch = { to_domain = "*" }\nvia = "smtp://relay.example"\n', "relay.example"),
        ('[[route]]\nmatch = {}\nvia = "smtps://relay.example"\n', "relay.example"),
        ('[[route]]\nmatch = { to_domain = "partner.example" }\nvia = "smtp://10.0.0.1"\n', None),
        ('[[route]]\nmatch = { to_domain = "*" }\nvia = "mx"\n', None),
        ('[outbound.fallback]\nvia = "smtp://spare.example"\n', "spare.example"),
    ],
)
def test_others_that_send_for_us(text: str, host: str | None) -> None:
    """A smart host's addresses aren't known here, and SPF must allow them."""
    remarks = presence(text).remarks

    assert len(remarks) == (host is not None)
    assert all(f"through {host}: SPF records must allow" in each for each in remarks)


ALL_THROUGH_RELAY = '[[route]]\nmatch = {}\nvia = "smtp://relay.example"\n'
SOME_BY_MX = '[[route]]\nmatch = { to_domain = "a.example" }\nvia = "mx"\n'


@pytest.mark.parametrize(
    ("text", "sends"),
    [
        ('[[route]]\nmatch = { to_domain = "*" }\nvia = "smtp://relay.example"\n', False),
        ('[[route]]\nmatch = { to_domain = "a.example" }\nvia = "smtp://10.0.0.1"\n', True),
        ('[[route]]\nmatch = { from = "ann@example.org" }\nvia = "smtp://relay.example"\n', True),
        ('[[route]]\nmatch = { account = "*" }\nvia = "smtp://relay.example"\n', True),
        (SOME_BY_MX + ALL_THROUGH_RELAY, True),
        (ALL_THROUGH_RELAY + SOME_BY_MX, False),
        ('[outbound.fallback]\nvia = "smtp://spare.example"\n', True),
    ],
)
def test_host_that_sends_nothing_itself(text: str, sends: bool) -> None:
    """Where a smart host sends everything, nothing is demanded of what this host says in EHLO."""
    outgoing = KNOWN.addresses if sends else ()

    assert presence(text).hosts == (Host("mail.example.org", KNOWN.addresses, outgoing),)


def test_certificates(command: Command) -> None:
    """The default one is for the host's name, others for theirs; one that can't be read is a doubt."""
    command.file.write_text(
        SITE.replace("[listen.mx]", '[tls.names."mx.example.com"]\ncertificate = "no.pem"\nkey = "no.key"\n[listen.mx]')
    )
    read = parse_site(command.file.read_text(), command.file.parent, "mta.toml")

    shown = shown_certificates(read)

    assert [each.name for each in shown.certificates] == ["mail.example.org"]
    assert len(shown.certificates[0].chain) == 1
    assert "what TLSA records of mx.example.com should say isn't known" in shown.doubts[0]
    assert presence_of(read, KNOWN, shown, Domains(())).doubts == shown.doubts


@pytest.mark.parametrize(
    "change", [('role = "mx"', 'role = "imap"'), ('[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n', "")]
)
def test_no_certificates(command: Command, change: Any) -> None:
    """Hosts that send mail see none where no mail comes in, or without TLS."""
    assert shown_certificates(parse_site(SITE.replace(*change), command.file.parent, "mta.toml")) == NOTHING
