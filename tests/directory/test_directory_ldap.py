"""Binding to a directory: who gets in, what can't be judged, and that no name changes the question."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_twisted
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from ldap_directory import ADMIN, ADMIN_PASSWORD, BASE, DirectoryFactory, tree
from ldaptor.ldapfilter import parseFilter
from ldaptor.protocols.ldap.distinguishedname import DistinguishedName
from twisted.internet.ssl import CertificateOptions, KeyPair, PrivateCertificate
from twisted.internet.task import Clock

from twistedmail_mta.config.checking import LDAPTable
from twistedmail_mta.directory import ldap as ldap_module
from twistedmail_mta.directory.checkers import Question
from twistedmail_mta.directory.ldap import LDAPChecker
from twistedmail_mta.directory.ldap_connection import LDAPConnection, LDAPTrouble
from twistedmail_mta.directory.ldap_names import distinguished_name, search_filter
from twistedmail_mta.directory.replies import CANNOT_JUDGE
from twistedmail_mta.directory.site_logins import shortcoming
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import Task

HOST = "127.0.0.1"
TIM, ANN = "tim@example.org", "ann@example.org"
PEOPLE = {
    "tim": (TIM, "correct horse"),
    "ann": (ANN, "pässwörd"),
    "two": ("both@example.org", "x"),
    "three": ("both@example.org", "y"),
}
SEARCH = {"base": BASE, "filter": "(mail={address})"}
TEMPLATE = {"user_dn": f"uid={{local}},{BASE}", "domains": ["example.org"]}


@dataclass
class Site:
    """A directory that listens, and checkers that ask it."""

    factory: DirectoryFactory
    folder: Path
    place: str
    throttle: LoginThrottle = field(default_factory=lambda: LoginThrottle(Clock()))

    def checker(self, keys: dict[str, Any], **more: Any) -> LDAPChecker:
        from twisted.internet import reactor  # noqa: PLC0415 - not at import

        values = {"use": "ldap", "url": f"ldap://{self.place}", "ca_file": str(self.folder / "ca.pem")} | keys | more
        return LDAPChecker(reactor, LDAPTable.model_validate(values), lambda _: ADMIN_PASSWORD, self.throttle)

    async def ask(self, name: str, password: str, **keys: Any) -> bool | None:
        return await self.checker(SEARCH, **keys).check(Question(name, password, "192.0.2.1"))

    async def closed(self) -> None:
        """Wait until the directory has seen every connection end."""
        from twisted.internet import reactor  # noqa: PLC0415 - not at import
        from twisted.internet.task import deferLater  # noqa: PLC0415 - likewise

        while self.factory.open:
            await deferLater(reactor, 0.005)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return who vouches for the directory."""
    return trustme.CA()


@pytest.fixture
def site(tmp_path: Path, authority: trustme.CA) -> Iterator[Site]:
    """Listen on loopback, with a certificate for it."""
    from twisted.internet import reactor  # noqa: PLC0415 - not at import

    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    factory = DirectoryFactory(tree(PEOPLE), identity(authority, HOST))
    port = reactor.listenTCP(0, factory, interface=HOST)
    yield Site(factory, tmp_path, f"{HOST}:{port.getHost().port}")
    pytest_twisted.blockon(port.stopListening())


def identity(authority: trustme.CA, name: str) -> CertificateOptions:
    issued = authority.issue_cert(name)
    key = KeyPair.load(issued.private_key_pem.bytes(), 1)
    certificate = PrivateCertificate.load(issued.cert_chain_pems[0].bytes(), key, 1)
    return certificate.options()


@pytest_twisted.ensureDeferred
async def test_search_and_bind(site: Site) -> None:
    """The right password binds, another one doesn't, and an unknown name is passed on."""
    assert await site.ask(TIM, "correct horse") is True
    assert await site.ask(ANN, "pässwörd") is True
    assert await site.ask(TIM, "wrong") is False
    assert await site.ask("nobody@example.org", "x") is None
    await site.closed()

    assert site.factory.connections == 4
    assert site.factory.binds[0] == (f"uid=tim,{BASE}".encode(), b"correct horse")


@pytest_twisted.ensureDeferred
async def test_bind_by_template(site: Site) -> None:
    """Nothing is searched; the directory doesn't tell an unknown name from a wrong password."""
    checker = site.checker(TEMPLATE)

    assert await checker.check(Question(TIM, "correct horse", "")) is True
    assert await checker.check(Question(TIM, "wrong", "")) is False
    assert await checker.check(Question("nobody@example.org", "x", "")) is False
    await site.closed()

    assert site.factory.searches == []


@pytest_twisted.ensureDeferred
async def test_own_login(site: Site) -> None:
    """Where strangers may not search, the checker logs in first."""
    site.factory.needs_login = True
    login = {"auth": {"user": ADMIN, "password": "env:X"}}

    assert await site.ask(TIM, "correct horse", **login) is True
    with pytest.raises(TemporaryError):
        await site.ask(TIM, "correct horse")
    await site.closed()

    assert site.factory.binds[0] == (ADMIN.encode(), ADMIN_PASSWORD.encode())


@pytest_twisted.ensureDeferred
async def test_own_login_refused(site: Site, events: list[dict[str, Any]]) -> None:
    """A wrong password of the checker's own is trouble, nobody's failure."""
    login = {"auth": {"user": BASE, "password": "env:X"}}

    assert await trouble(site.ask(TIM, "correct horse", **login), events) == (
        "it refuses the checker's own login with result 49"
    )
    await site.closed()


@pytest_twisted.ensureDeferred
async def test_tls_from_the_first_octet(site: Site) -> None:
    """ldaps:// asks nothing in clear."""
    from twisted.internet import reactor  # noqa: PLC0415 - not at import

    port = reactor.listenSSL(0, site.factory, site.factory.creator, interface=HOST)
    url = f"ldaps://{HOST}:{port.getHost().port}"

    assert await site.ask(TIM, "correct horse", url=url) is True
    assert await site.ask(TIM, "wrong", url=url) is False
    await site.closed()
    await port.stopListening()


@pytest_twisted.ensureDeferred
async def test_without_tls_on_this_host(site: Site) -> None:
    """Loopback may go without, if the site file says so."""
    assert await site.ask(TIM, "correct horse", tls="none") is True
    await site.closed()


@pytest_twisted.ensureDeferred
async def test_unix_socket(site: Site) -> None:
    """ldapi:// is a socket of this host."""
    from twisted.internet import reactor  # noqa: PLC0415 - not at import

    folder = tempfile.mkdtemp()  # shorter than pytest's: sockets have short names
    path = f"{folder}/s"
    port = reactor.listenUNIX(path, site.factory)

    assert await site.ask(TIM, "correct horse", url=f"ldapi://{quote(path, safe='')}") is True
    await site.closed()
    await port.stopListening()
    shutil.rmtree(folder)


async def trouble(asking: Any, events: list[dict[str, Any]]) -> str:
    """Return what the log says of a question that can't be answered."""
    with pytest.raises(TemporaryError) as caught:
        await asking
    assert caught.value.reply == CANNOT_JUDGE
    return [event for event in events if event.get("event") == "auth.ldap.failed"][-1]["reason"]


@pytest_twisted.ensureDeferred
async def test_certificate_of_somebody_else(site: Site, events: list[dict[str, Any]]) -> None:
    """No password is sent to a directory that can't prove its name."""
    site.factory.creator = identity(trustme.CA(), HOST)

    assert "no trusted authority" in await trouble(site.ask(TIM, "correct horse"), events)
    await site.closed()
    assert site.factory.binds == []


@pytest_twisted.ensureDeferred
async def test_certificate_for_another_name(site: Site, authority: trustme.CA, events: list[dict[str, Any]]) -> None:
    """A good certificate for another host is none."""
    site.factory.creator = identity(authority, "ldap.example.org")

    assert await trouble(site.ask(TIM, "correct horse"), events) == f"the certificate is not for {HOST}"
    await site.closed()
    assert site.factory.binds == []


@pytest_twisted.ensureDeferred
async def test_starttls_refused(site: Site, events: list[dict[str, Any]]) -> None:
    """Without TLS nothing is asked."""
    site.factory.tls_result = 2

    assert await trouble(site.ask(TIM, "correct horse"), events) == "it refuses STARTTLS with result 2"
    await site.closed()
    assert site.factory.binds == []
    assert site.factory.searches == []


@pytest_twisted.ensureDeferred
async def test_answers_in_clear_count_for_nothing(site: Site, events: list[dict[str, Any]]) -> None:
    """A success that somebody put behind the answer to STARTTLS lets nobody in."""
    site.factory.injects = True

    assert await trouble(site.checker(TEMPLATE).check(Question(TIM, "wrong", "")), events) == (
        "it sent more behind its answer to STARTTLS"
    )
    await site.closed()


@pytest.mark.parametrize(
    ("result", "verdict"), [(0, True), (32, None), (49, False), (48, False), (50, False), (53, False), (19, False)]
)
@pytest_twisted.ensureDeferred
async def test_results_of_a_bind(site: Site, result: int, verdict: bool | None) -> None:
    """Results that are about the person are verdicts."""
    site.factory.bind_result = result

    assert await site.ask(TIM, "x") is verdict
    await site.closed()


@pytest.mark.parametrize("result", [1, 2, 3, 8, 10, 11, 13, 14, 51, 52, 80, 255])
@pytest_twisted.ensureDeferred
async def test_results_that_are_trouble(site: Site, result: int) -> None:
    """All others are the directory's trouble: never a no, let alone a yes."""
    site.factory.bind_result = result

    with pytest.raises(TemporaryError):
        await site.ask(TIM, "correct horse")
    await site.closed()


@pytest_twisted.ensureDeferred
async def test_two_entries(site: Site, events: list[dict[str, Any]]) -> None:
    """A name that two entries have can't be judged."""
    assert await trouble(site.ask("both@example.org", "x"), events) == "it has several entries for both@example.org"
    await site.closed()
    assert site.factory.binds == []


@pytest_twisted.ensureDeferred
async def test_nobody_listens(site: Site, events: list[dict[str, Any]]) -> None:
    """A directory that is down is told of once, and each login is put off."""
    from twisted.internet import reactor  # noqa: PLC0415 - not at import

    port = reactor.listenTCP(0, site.factory, interface=HOST)
    place = f"{HOST}:{port.getHost().port}"
    await port.stopListening()
    checker = site.checker(SEARCH, url=f"ldap://{place}", tls="none")

    for _ in range(3):
        assert "refused" in await trouble(checker.check(Question(TIM, "x", "")), events)

    assert len([event for event in events if event.get("event") == "auth.ldap.failed"]) == 1


@pytest_twisted.ensureDeferred
async def test_directory_that_says_nothing(site: Site, events: list[dict[str, Any]]) -> None:
    """The time for an answer is bounded; the connection is closed and others go on."""
    site.factory.silent = True

    assert await trouble(site.ask(TIM, "x", timeout="50ms"), events) == "no answer within 0.05 seconds"
    await site.closed()


@pytest_twisted.ensureDeferred
async def test_connections_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many questions at once, so many that wait, some of them only for networks that are known; all come back."""
    monkeypatch.setattr(ldap_module, "BACKLOG", 3)
    site.factory.silent = True
    site.throttle.know("192.0.2.1", TIM)
    checker = site.checker(SEARCH, connections=1, timeout="200ms")
    strangers = [Task("ask", checker.check(Question(TIM, f"{number}", "198.51.100.1"))) for number in range(4)]
    known = [Task("ask", checker.check(Question(TIM, f"{number}", "192.0.2.1"))) for number in range(2)]

    assert [task.done for task in strangers] == [False, False, False, True]
    assert [task.done for task in known] == [False, True]
    for task in strangers + known:
        with pytest.raises(TemporaryError):
            await task
    await site.closed()
    site.factory.silent = False
    assert await checker.check(Question(TIM, "correct horse", "")) is True
    await site.closed()


@pytest_twisted.ensureDeferred
async def test_empty_password_is_never_sent() -> None:
    """The bind that succeeds for everybody isn't made, whoever asks for it."""
    sent: list[Any] = []

    class Client:
        def send(self, request: Any) -> Any:
            sent.append(request)

    for name, password in (("uid=tim", ""), ("", "x"), (b"", "x")):
        with pytest.raises(LDAPTrouble, match="proves nothing"):
            await LDAPConnection(Client()).bind(name, password)

    assert sent == []


@pytest.mark.parametrize("broken", ["(mail={address}", "mail={address}", "({address})"])
def test_filter_that_is_none(broken: str) -> None:
    """It is found before anybody logs in; the server doesn't start with it."""
    table = LDAPTable(use="ldap", url="ldaps://localhost", base=BASE, filter=broken)

    assert "RFC 4515" in (shortcoming(table) or "")
    assert shortcoming(LDAPTable(use="ldap", url="ldaps://localhost", **SEARCH)) is None


HOSTILE = st.text(st.sampled_from('ab *()\\,+=<>;#"{}local\x00é/'), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(HOSTILE, HOSTILE)
def test_no_name_changes_the_filter(local: str, domain: str) -> None:
    """Whatever a name holds, the filter stays one equality with that very name as its value."""
    name = f"{local}@{domain.replace('@', '')}"

    condition = search_filter("(&(objectClass=person)(mail={address}))", name)

    person, mail = parseFilter(condition)
    assert person.toWire() == parseFilter("(objectClass=person)").toWire()
    assert mail.attributeDesc.value in ("mail", b"mail")
    value = mail.assertionValue.value
    assert (value.encode() if isinstance(value, str) else value) == name.encode()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(HOSTILE)
def test_no_name_changes_the_entry(local: str) -> None:
    """Whatever a name holds, the distinguished name has as many parts, and that very name as its first value."""
    text = distinguished_name("uid={local},ou=people,dc={domain}", f"{local}@example.org")

    first, *others = re.split(r"(?<!\\)[,+]", text)
    assert others == ["ou=people", "dc=example.org"]
    assert first.startswith("uid=")
    value = first.removeprefix("uid=")
    assert not value.startswith((" ", "#"))
    assert not value.endswith(" ")
    assert re.sub(r"\\([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), value) == local


def test_distinguished_names_as_another_reads_them() -> None:
    """ldaptor's own reader agrees about the name's limits."""
    text = distinguished_name(f"uid={{local}},{BASE}", "a,ou=x+b=c@example.org")

    read = DistinguishedName(text.encode())

    assert len(read.split()) == 4
    assert read.split()[0].getText() != "uid=a"


def test_placeholders_in_names_are_names() -> None:
    """A name that looks like a template is filled in once."""
    assert (
        search_filter("(|(mail={address})(uid={local}))", "{domain}@x.org") == "(|(mail={domain}@x.org)(uid={domain}))"
    )
