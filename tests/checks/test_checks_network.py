"""What others say: name servers, the DNS about this host, hosts that are called, lists."""

from __future__ import annotations

import pytest

from twistedmail_mta.checks.block_lists import Listed, findings_of_lists, listed
from twistedmail_mta.checks.names import findings_of_names
from twistedmail_mta.checks.outbound import Called, findings_of_outbound, targets_of
from twistedmail_mta.checks.resolver import Answers, answers_of, findings_of_resolver
from twistedmail_mta.cli.offline import finished
from twistedmail_mta.dns.codec import Question, Response
from twistedmail_mta.dns.upstream import UNANSWERED
from twistedmail_mta.dns.validation import PROVEN, Probe, Verdict
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer, MXRecord
from twistedmail_mta.networks import reverse_name
from twistedmail_mta.publishing.finding import missing, right, unknown, wrong
from twistedmail_mta.publishing.record import Record

ZONE = "list.example"
OURS = "192.0.2.1"


class Names:
    """A resolver that knows addresses and MX hosts, and is silent about one name."""

    def __init__(self, silent: str = "", mx: tuple[MXRecord, ...] = (), **addresses: str) -> None:
        self.silent = silent
        self.records = mx
        self.by_name = {name.replace("_", "."): value for name, value in addresses.items()}

    async def mx(self, domain: str) -> Answer[MXRecord]:
        return Answer(self.records, "found" if self.records else "empty", authentic=False)

    async def addresses(self, host: str, family: str) -> Answer[str]:
        if host == self.silent:
            raise TemporaryError(UNANSWERED)
        found = tuple(each for each in self.by_name.get(host, "").split() if (":" in each) == (family == "AAAA"))
        return Answer(found, "found" if found else "missing", authentic=False)


class Server:
    """A name server that answers, or doesn't."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers

    async def ask(self, question: Question) -> Response:
        if not self.answers:
            raise TemporaryError(UNANSWERED)
        return Response("empty")


def test_name_servers() -> None:
    """Each is asked; one that is silent is a delay, all of them no mail at all."""
    servers = [("192.0.2.53", Server(answers=True)), ("192.0.2.54", Server(answers=False))]
    answers = finished(answers_of(servers, [], Probe(), validating=False))

    (found,) = findings_of_resolver(answers)
    (alone,) = findings_of_resolver(Answers((), ("192.0.2.54",), None))

    assert answers == Answers(("192.0.2.53",), ("192.0.2.54",), None)
    assert found.text == "the name server 192.0.2.54 doesn't answer"
    assert "take it out" in found.mend
    assert "no mail leaves" in alone.mend


def test_validation() -> None:
    """Why it isn't proven is passed on; nothing where it is, or where nobody wants to know."""
    servers = ("127.0.0.1",)

    (found,) = findings_of_resolver(Answers(servers, (), Verdict("disproven", "it lies")))

    assert (found.path, found.text.endswith("so DANE is off: it lies")) == ("dns.dnssec", True)
    assert list(findings_of_resolver(Answers(servers, (), PROVEN))) == []
    assert list(findings_of_resolver(Answers(servers, (), None))) == []


def test_what_the_dns_says() -> None:
    """Faults are warnings with the record to publish; what isn't known is a note, what is right nothing."""
    record = Record("example.org", "MX", "10 mail.example.org.", "mail comes here")
    states = [right(record, "it is"), missing(record), wrong(record, "it leads elsewhere", [record]), unknown(record)]

    absent, elsewhere, unsaid = findings_of_names(states)

    publish = "publish: example.org. 3600 IN MX 10 mail.example.org."
    assert (absent.level, absent.text, absent.mend) == ("warning", "example.org MX: isn't in the DNS", publish)
    assert (elsewhere.level, elsewhere.text) == ("warning", "example.org MX: it leads elsewhere")
    assert (unsaid.level, unsaid.mend) == ("note", "")


def test_whom_to_call() -> None:
    """The best MX host of a domain by each family, a host without MX records itself, an address as it is."""
    mx = (MXRecord(20, "b.example"), MXRecord(5, "a.example"))
    names = Names(mx=mx, a_example="192.0.2.7 192.0.2.8 2001:db8::7")
    host = Names(h_example="192.0.2.9")

    of_domain = finished(targets_of(names, "example.net", 25))
    of_host = finished(targets_of(host, "h.example", 2525))
    literal = finished(targets_of(host, "2001:db8::1", 25))

    assert [(family, str(target)) for family, target in of_domain] == [
        ("IPv4", "a.example [192.0.2.7]"),
        ("IPv6", "a.example [2001:db8::7]"),
    ]
    assert [(family, str(target), target.port) for family, target in of_host] == [
        ("IPv4", "h.example [192.0.2.9]", 2525)
    ]
    assert [(family, target.address) for family, target in literal] == [("IPv6", "2001:db8::1")]


def test_a_network_that_keeps_the_port_closed() -> None:
    """The advice is another than where one family alone is broken."""
    four = Called("IPv4", "mx.example [192.0.2.7]", "The host does not answer")
    six = Called("IPv6", "mx.example [2001:db8::7]", "The host refuses connections")
    well = Called("IPv4", "mx.example [192.0.2.7]")

    closed = list(findings_of_outbound([four, six], 25))
    half = list(findings_of_outbound([well, six], 25))

    assert all("ask yours to open it" in each.mend for each in closed)
    assert [each.level for each in half] == ["warning", "note"]
    assert 'prefer = "ipv4"' in half[0].mend
    assert half[1].text == "mx.example [192.0.2.7], port 25, answers by IPv4"


def named(*codes: str, everything: bool = False, silent: bool = False) -> Listed:
    """Ask a list that gives some codes for this host's address."""
    names = Names(silent=reverse_name(OURS, ZONE) if silent else "")
    names.by_name[reverse_name(OURS, ZONE)] = " ".join(codes)
    if everything:
        names.by_name[reverse_name("127.0.0.1", ZONE)] = "127.0.0.2"
    return finished(listed(names, OURS, ZONE))  # type: ignore[arg-type] # as much of a resolver as is asked


def test_lists() -> None:
    """Listed, not listed, and answers that are none: of lists that refuse, list everything, or are silent."""
    assert named("127.0.0.4") == Listed(OURS, ZONE, ("127.0.0.4",))
    assert named() == Listed(OURS, ZONE)
    assert named("127.255.255.254").silent
    assert named("127.0.0.4", everything=True) == Listed(OURS, ZONE, silent=True)
    assert named(silent=True) == Listed(OURS, ZONE, silent=True)


def test_findings_of_lists() -> None:
    """Where to be taken out is told; lists that don't answer are told of once."""
    others = [Listed(OURS, "silent.example", silent=True), Listed("2001:db8::1", "silent.example", silent=True)]

    warning, note = findings_of_lists(
        [named("127.0.0.4"), Listed(OURS, "clean.example"), *others], {ZONE: "https://x/"}
    )

    assert warning.text == "192.0.2.1 is in list.example (127.0.0.4), so many hosts refuse its mail"
    assert warning.mend.endswith("have it taken out: https://x/")
    assert (note.level, note.text.count("silent.example")) == ("note", 1)


@pytest.mark.parametrize("zone", ["zen.spamhaus.org", "bl.spamcop.net"])
def test_lists_that_are_asked_have_a_page(zone: str) -> None:
    """Each of those shipped says where to go."""
    (found,) = findings_of_lists([Listed(OURS, zone, ("127.0.0.2",))])

    assert "https://" in found.mend
