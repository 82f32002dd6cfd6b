"""The certificates of a site: when the authority is asked, by a clock, and what becomes of its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hand_reactor import HandReactor
from twisted.internet.task import Clock

from twistedmail_mta.acme import renewals
from twistedmail_mta.acme.application import Application, NotIssued
from twistedmail_mta.acme.challenges import Challenges
from twistedmail_mta.acme.files import provide, read_record, standing
from twistedmail_mta.acme.record import LEAST_PAUSE, PAUSES, UNFINISHED
from twistedmail_mta.acme.renewals import Renewals
from twistedmail_mta.config.site import Site
from twistedmail_mta.tls.certificates import CertificateError, Identity
from twistedmail_mta.tls.server import Contexts

HOST, OTHER = "mail.example.org", "mail.example.com"
DAY = 86400.0
LIFE = 90 * DAY


MakeSite = Callable[..., Site]


class Authority:
    """Issues what it is asked for, unless `refuses` says why not.

    Attributes:
        asked: the applications.
        at: when they came.
    """

    def __init__(self, clock: Clock) -> None:
        self.asked: list[Application] = []
        self.at: list[float] = []
        self.refuses: Exception | None = None
        self._clock = clock
        self._key = ec.generate_private_key(ec.SECP256R1())

    def obtain(self, application: Application, answers: Challenges) -> Identity:
        self.asked.append(application)
        self.at.append(self._clock.seconds())
        if self.refuses is not None:
            raise self.refuses
        return self._issue(application.name)

    def _issue(self, name: str) -> Identity:
        private, now = ec.generate_private_key(ec.SECP256R1()), datetime.fromtimestamp(self._clock.seconds(), UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority")]))
            .public_key(private.public_key())
            .serial_number(1000 * len(self.asked))
            .not_valid_before(now)
            .not_valid_after(now + timedelta(seconds=LIFE))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        )
        return Identity((builder.sign(self._key, hashes.SHA256()),), private)


class Rig:
    """Renewals of one site, with time in hand."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.authority = Authority(self.clock)
        self.shown: list[Contexts] = []
        self.hand = HandReactor()
        provide(site)
        self.start()

    def start(self) -> None:
        self.renewals = Renewals(
            self.hand, lambda: self.site, self.shown.append, self.authority.obtain, self.clock.seconds
        )

    def look(self, *, after: float = 0.0) -> None:
        self.clock.advance(after)
        self.hand.wait(self.renewals.look())

    def run(self, seconds: float, every: float) -> None:
        """Look now and then for some time."""
        for _ in range(round(seconds / every)):
            self.look(after=every)

    def renew(self, *names: str, new_key: bool = False) -> list[tuple[str, str]]:
        attempts = self.hand.wait(self.renewals.renew(names, new_key=new_key))
        return [(each.name, each.outcome) for each in attempts]

    @property
    def state(self) -> Path:
        return self.site.server.state_dir

    def is_issued(self, name: str = HOST) -> bool:
        assert self.site.acme is not None
        return standing(self.state, name, self.site.acme, self.clock.seconds()).is_issued


@pytest.fixture
def make_rig(make_site: MakeSite) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(*arguments: str) -> Rig:
        made.append(Rig(make_site(*arguments)))
        return made[-1]

    yield make
    for rig in made:
        rig.renewals.stop()


MakeRig = Callable[..., Rig]


def test_the_first_certificate(make_rig: MakeRig) -> None:
    """Asked for at once, with what the site file wants; new connections are shown it; then nobody is asked."""
    rig = make_rig('email = "ops@example.org"\nkey = "rsa-2048"')
    assert not rig.is_issued()

    rig.look()
    rig.look()

    (asked,) = rig.authority.asked
    assert (asked.name, asked.email, asked.key, asked.challenge) == (HOST, "ops@example.org", "rsa-2048", "http-01")
    assert b"PRIVATE KEY" in asked.account_key
    assert rig.is_issued()
    assert len(rig.shown) == 1


def test_renewal_in_time(make_rig: MakeRig) -> None:
    """A certificate of 90 days is followed by the next when no more than 33 and no less than 30 days are left."""
    rig = make_rig()
    rig.look()

    rig.run(200 * DAY, every=DAY / 4)

    gaps = [later - earlier for earlier, later in zip(rig.authority.at, rig.authority.at[1:], strict=False)]
    assert len(gaps) == 3
    assert all(57 * DAY <= gap <= 60.25 * DAY for gap in gaps)
    assert len(rig.shown) == 4


def test_failures_are_retried_with_growing_pauses(make_rig: MakeRig) -> None:
    """The server looks every half minute and asks rarely; what the authority says is remembered."""
    rig = make_rig()
    rig.authority.refuses = NotIssued("unauthorized: that isn't you")
    rig.look()

    rig.run(sum(PAUSES[:4]) * 1.1 + 60, every=30)

    assert len(rig.authority.asked) == 5
    assert read_record(rig.state, HOST).error == "unauthorized: that isn't you"
    assert not rig.shown
    rig.authority.refuses = None
    rig.look(after=1.1 * PAUSES[4])
    assert rig.is_issued()
    assert read_record(rig.state, HOST).error == ""


def test_limits_outlive_the_server(make_rig: MakeRig) -> None:
    """A server that dies while it asks, and is started again and again, asks no more often than one that lives."""
    rig = make_rig()
    rig.authority.refuses = MemoryError()
    for _ in range(20):
        rig.look(after=2)
        rig.renewals.stop()
        rig.start()

    assert len(rig.authority.asked) == 1
    assert read_record(rig.state, HOST).error == UNFINISHED


def test_a_clock_that_was_wrong(make_rig: MakeRig) -> None:
    """What was noted in a year to come keeps nobody waiting for it."""
    rig = make_rig()
    rig.authority.refuses = NotIssued("badNonce: no")
    rig.look(after=20 * 365 * DAY)
    rig.clock.rightNow -= 20 * 365 * DAY
    rig.look()
    assert len(rig.authority.asked) == 2
    rig.look(after=PAUSES[0] / 2)

    assert len(rig.authority.asked) == 2


def test_names_have_certificates_of_their_own(make_rig: MakeRig) -> None:
    """What is wrong with one keeps no other waiting."""
    rig = make_rig(f'names = ["{OTHER}"]')
    obtain = rig.authority.obtain

    def refuse_the_first(application: Application, answers: Challenges) -> Identity:
        if application.name == HOST:
            raise NotIssued("dns: no such name")
        return obtain(application, answers)

    rig.renewals._obtain = refuse_the_first
    rig.look()

    assert [asked.name for asked in rig.authority.asked] == [OTHER]
    assert not rig.is_issued()
    assert rig.is_issued(OTHER)


def test_operators_wait_for_limits_only(make_rig: MakeRig) -> None:
    """They needn't wait for the pause, nor for the day of renewal, but a minute they must."""
    rig = make_rig()
    rig.authority.refuses = NotIssued("no")
    rig.look()
    assert rig.renew(HOST) == [(HOST, "waits")]
    rig.clock.advance(LEAST_PAUSE)
    assert rig.renew(HOST) == [(HOST, "failed")]
    rig.authority.refuses = None
    rig.clock.advance(LEAST_PAUSE)
    assert [rig.renew(HOST) for _ in range(5)] == [[(HOST, "issued")]] * 4 + [[(HOST, "waits")]]


def test_what_was_issued_during_a_reload(make_rig: MakeRig, make_site: MakeSite) -> None:
    """A reload that read the files before is followed by what is in them now, once."""
    rig = make_rig()
    rig.look()

    rig.site = make_site()
    for _ in range(3):
        rig.look(after=30)

    assert len(rig.authority.asked) == 1
    assert len(rig.shown) == 2


def test_a_certificate_that_cannot_be_shown_yet(make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is shown as soon as it can be; it isn't asked for again."""
    rig = make_rig()
    with monkeypatch.context() as patch:
        patch.setattr(renewals, "contexts_of", _no_context)
        rig.look()
        rig.look(after=30)
    assert not rig.shown

    rig.look(after=30)

    assert (len(rig.authority.asked), len(rig.shown)) == (1, 1)


def _no_context(_: object) -> Contexts:
    raise CertificateError("another file is damaged")


def test_renewals_keep_the_key(make_rig: MakeRig, make_site: MakeSite) -> None:
    """TLSA records name it; another is made if an operator says so, or the site file wants one of another kind."""
    rig = make_rig()
    rig.look()
    of_first = (rig.state / "acme" / f"{HOST}.pem").read_bytes().partition(b"-----BEGIN CERT")[0]
    rig.renew(HOST)
    rig.renew(HOST, new_key=True)
    rig.site = make_site('key = "rsa-2048"')
    rig.renew(HOST)

    assert [asked.kept_key is not None for asked in rig.authority.asked] == [True, True, False, False]
    assert rig.authority.asked[1].kept_key == of_first


def test_another_authority(make_rig: MakeRig, make_site: MakeSite) -> None:
    """Who changes from a test authority to the real one gets a certificate at once."""
    rig = make_rig()
    rig.look()

    rig.site = make_site("", "https://other.test/dir")
    rig.look()

    assert [asked.directory for asked in rig.authority.asked] == ["https://ca.test/dir", "https://other.test/dir"]


def test_a_damaged_file(make_rig: MakeRig) -> None:
    """Is followed by one of our own, and that by one of the authority."""
    rig = make_rig()
    rig.look()
    (rig.state / "acme" / f"{HOST}.pem").write_text("nothing")

    rig.look()

    assert len(rig.authority.asked) == 2
    assert rig.is_issued()


def test_a_stopped_server_asks_nobody(make_rig: MakeRig) -> None:
    """Though a look was under way."""
    rig = make_rig()
    rig.renewals._stopped = True

    rig.look()

    assert not rig.authority.asked


def test_files_are_for_the_server_alone(make_rig: MakeRig) -> None:
    """Keys, and what is remembered."""
    rig = make_rig()
    rig.look()

    folder = rig.state / "acme"
    assert folder.stat().st_mode & 0o077 == 0
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in folder.iterdir()} == {
        "account.key": "0o600", f"{HOST}.pem": "0o600", f"{HOST}.json": "0o600",
    }  # fmt: skip
