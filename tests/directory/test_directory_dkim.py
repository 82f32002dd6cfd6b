"""Keys of domains: their rows, their life, and signing with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import apsw
import pytest
from arc_made import verdict_on
from directory_in_memory import MIGRATIONS, Database
from dkim_made import AT, ed25519_key, found_in, rsa_key, rsa_record, verdicts
from memory_bodies import MemoryBodies
from zope.interface import implementer

from twistedmail_mta.arc.chain import Verdict
from twistedmail_mta.directory.dkim_rotation import RETIRED_FOR, Rotation
from twistedmail_mta.directory.dkim_rows import (
    StoredKey,
    add_keys,
    in_use,
    keys_of,
    new_pair,
    next_generation,
    set_state,
    switch,
    waiting,
)
from twistedmail_mta.directory.dkim_signing import DomainSigning
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.making import loaded, public_octets, stored, zone_text
from twistedmail_mta.dkim.showing import shown
from twistedmail_mta.errors import MailError, TemporaryError
from twistedmail_mta.interfaces import IChanges
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Answer, FileBody, InlineBody, Reply
from twistedmail_mta.tasks import TaskGroup, WorkerPool

DOMAIN = "example.org"
HEADER = Header(b"From: ann@example.org\r\nSubject: x\r\n\r\n")
BODY = b"Hello\r\n"


class AtOnce:
    """A pool of no threads, that counts."""

    def __init__(self) -> None:
        self.calls = 0

    async def run(self, function: Callable[..., Any], *values: Any) -> Any:
        self.calls += 1
        return function(*values)


@implementer(IChanges)
class Changes:
    """Tells when the test says so."""

    def __init__(self) -> None:
        self.told: list[Callable[[], None]] = []

    def subscribe(self, changed: Callable[[], None]) -> None:
        self.told.append(changed)


def pair(generation: str = "2026a", state: Any = "made", at: float = AT, domain: str = DOMAIN) -> list[StoredKey]:
    """Return a pair; all of them have the same keys, which were made once."""
    made = []
    for kind, key in (("rsa", rsa_key(2048)), ("ed25519", ed25519_key())):
        selector = generation if kind == "rsa" else f"{generation}-{kind}"
        made.append(
            StoredKey(domain, selector, generation, cast(Any, kind), stored(key), public_octets(key), state, at, at)
        )
    return made


class FileBodies(MemoryBodies):
    """Has files, and notes how much of them is read at once."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.read_sizes: list[int] = []

    async def read(self, body: Any, offset: int, size: int) -> bytes:
        self.read_sizes.append(size)
        return self.files[body.name][offset : offset + size]


class World:
    """A database with the table of keys, a zone, and a time that the test sets."""

    def __init__(self, *keys: StoredKey) -> None:
        connection = apsw.Connection(":memory:")
        connection.execute((MIGRATIONS / "0010_dkim.sql").read_text())
        self.tx: Any = connection
        self.database = Database(connection)
        self.changes, self.pool, self.bodies = Changes(), AtOnce(), FileBodies()
        self.zone: dict[str, bytes | TemporaryError] = {}
        self.now = float(AT)
        self.changed = 0
        self.told: list[tuple[str, str]] = []
        self.deaf: MailError | None = None
        add_keys(self.tx, keys)

    def signing(self, expires_after: float | None = None) -> DomainSigning:
        pool = cast(WorkerPool, self.pool)
        return DomainSigning(self.database, self.changes, self.bodies, pool, lambda: self.now, expires_after)

    def rotation(self, after: float | None = None) -> Rotation:
        pool = cast(WorkerPool, self.pool)
        return Rotation(self.database, self.texts, pool, lambda: self.now, self._note, self._tell, after)

    async def _tell(self, subject: str, text: str) -> None:
        self.told.append((subject, text))
        if self.deaf is not None:
            raise self.deaf

    def _note(self) -> None:
        self.changed += 1

    async def texts(self, name: str) -> Answer[bytes]:
        found = self.zone.get(name)
        if isinstance(found, TemporaryError):
            raise found
        return Answer((found,), "found", authentic=False) if found else Answer((), "missing", authentic=False)

    def publish(self, *keys: StoredKey) -> None:
        self.zone |= {key.name: key.record.encode() for key in keys}

    def states(self) -> dict[str, str]:
        return {key.generation: key.state for key in keys_of(self.tx)}


def done(work: Awaitable[Any]) -> Any:
    """Run to the end what never waits."""
    results: list[Any] = []

    async def run() -> None:
        try:
            results.append(await work)
        except TemporaryError as error:
            results.append(error)

    TaskGroup().start("test", run())
    (result,) = results
    return result


# Seals


@pytest.mark.parametrize("size", [len(BODY), 600_000])
def test_seal(size: int) -> None:
    """By the RSA key of the pair, over a body that is here or in a file; none by a domain without keys."""
    world = World(*pair(state="signing"))
    text = (BODY * size)[:size]
    body = InlineBody(text) if size == len(BODY) else FileBody("large", size)
    world.bodies.files["large"] = text

    def seal(domain: str) -> bytes:
        made = world.signing().seal(fields_of(HEADER), body, Verdict("none"), b"mx.example.org; none", domain)
        return cast(bytes, done(made))

    verdict = verdict_on(seal(DOMAIN) + HEADER.block + text, {"2026a._domainkey.example.org": rsa_record()})
    assert (verdict.validation, verdict.sealers) == ("pass", (DOMAIN,))
    assert seal("keyless.test") == b""


# Rows


def test_new_pair_signs() -> None:
    """A pair that is made is what its records say, and can be read back."""
    rsa, ed25519 = new_pair(DOMAIN, "2026a", AT)

    assert (rsa.selector, ed25519.selector) == ("2026a", "2026a-ed25519")
    assert ed25519.name == "2026a-ed25519._domainkey.example.org"
    for key in (rsa, ed25519):
        assert key.private is not None
        assert public_octets(loaded(key.private)) == key.public
        assert shown(key.kind, key.public, [key.record.encode()]) == "yes"
        assert "private" not in repr(key)
    assert rsa_bits(rsa) == 2048


def rsa_bits(key: StoredKey) -> int:
    """Return the size of an RSA key."""
    assert key.private is not None
    return cast(Any, loaded(key.private)).key_size


def test_names_of_pairs() -> None:
    """Year and letter; none comes twice, not even once it is gone; after z comes aa."""
    assert next_generation([], 2026) == "2026a"
    assert next_generation(pair("2026a", "gone"), 2026) == "2026b"
    assert next_generation(pair("2026a"), 2027) == "2027a"
    taken = [key for letter in "abcdefghijklmnopqrstuvwxyz" for key in pair(f"2026{letter}")]
    assert next_generation(taken, 2026) == "2026aa"
    assert next_generation([*taken, *pair("2026aa")], 2026) == "2026ab"


def test_private_keys_are_forgotten() -> None:
    """Once a pair signs no more nobody can sign with it, whoever reads the database; its record stays."""
    world = World(*pair("2026a", "signing"), *pair("2026b", at=AT + 1))

    switch(world.tx, DOMAIN, "2026b", AT + 2)

    first, second = keys_of(world.tx)[0], keys_of(world.tx)[2]
    assert (first.state, first.private, first.changed_at) == ("retired", None, AT + 2)
    assert first.record == pair("2026a")[0].record
    assert (second.state, second.private is None) == ("signing", False)


def test_writes_may_be_made_twice() -> None:
    """As with every write, a second time changes nothing (the group commit may do that)."""
    world = World(*pair())
    for _ in range(2):
        add_keys(world.tx, pair())
        switch(world.tx, DOMAIN, "2026a", AT + 1)
        set_state(world.tx, DOMAIN, "2026a", "signing", AT + 5)

    assert [(key.state, key.changed_at) for key in keys_of(world.tx)] == [("signing", AT + 1)] * 2


def test_which_pair() -> None:
    """The newest that waits, and the one that signs."""
    keys = [*pair("2026a", "signing"), *pair("2026b", "gone"), *pair("2026c"), *pair("2026d", "published")]

    assert {key.generation for key in in_use(keys)} == {"2026a"}
    assert {key.generation for key in waiting(keys)} == {"2026d"}
    assert waiting(pair("2026a", "retired")) == ()


def test_zone_file() -> None:
    """No string is longer than 255 octets, and together they are the record."""
    text = zone_text("a._domainkey.example.org", "v=DKIM1; p=" + "x" * 600)
    strings = [line.strip()[1:-1] for line in text.split("\n")[1:-1]]

    assert text.startswith("a._domainkey.example.org. 3600 IN TXT (\n")
    assert max(map(len, strings)) == 255
    assert "".join(strings) == "v=DKIM1; p=" + "x" * 600
    assert zone_text("n", "short") == 'n. 3600 IN TXT "short"'


# Signing


def signed(fields: bytes, body: bytes = BODY, keys: list[StoredKey] | None = None, now: float = AT) -> list[str]:
    """Return what came of the signatures."""
    zone = {key.name: key.record.encode() for key in keys or pair()}
    assert found_in((), zone) == {}
    return [result.word for result in verdicts(fields + HEADER.block + body, zone, now)]


def test_signed_by_the_first_that_has_keys() -> None:
    """A domain without keys is passed over, one whose keys don't sign yet too."""
    world = World(*pair(state="signing"), *pair("2026b", domain="new.example"))
    signing = world.signing()

    fields = done(signing.signature(HEADER, InlineBody(BODY), ("new.example", "none.example", DOMAIN)))

    assert signed(fields) == ["pass", "pass"]
    assert done(signing.signature(HEADER, InlineBody(BODY), ("new.example",))) == b""
    assert done(signing.signature(HEADER, InlineBody(BODY), ())) == b""


def test_keys_are_read_once() -> None:
    """Neither keys nor that there are none cost a read for each message, until another process has written."""
    world = World(*pair(state="signing"))
    signing = world.signing()
    for _ in range(5):
        done(signing.signature(HEADER, InlineBody(BODY), ("none.example", DOMAIN)))
    assert world.database.reads == 2

    add_keys(world.tx, pair("2026b", "signing", domain="none.example"))
    world.changes.told[0]()

    assert b"d=none.example" in done(signing.signature(HEADER, InlineBody(BODY), ("none.example", DOMAIN)))


def test_whether_anybody_signs() -> None:
    """It is read once, and again after a change; keys that only wait don't count."""
    world = World(*pair())
    signing = world.signing()
    assert [done(signing.has_keys()), done(signing.has_keys())] == [False, False]
    assert world.database.reads == 1

    switch(world.tx, DOMAIN, "2026a", AT)
    world.changes.told[0]()

    assert done(signing.has_keys()) is True


def test_many_domains_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered has a bound, whatever senders are called."""
    monkeypatch.setattr("twistedmail_mta.directory.dkim_signing.MOST_DOMAINS", 10)
    signing = World().signing()

    for number in range(25):
        done(signing.signature(HEADER, InlineBody(BODY), (f"{number}.example",)))

    assert len(signing._signers) <= 10


def test_large_body_is_hashed_in_pieces() -> None:
    """A body in a file is never in memory as a whole, and its signature passes."""
    world = World(*pair(state="signing"))
    text = b"a  line of it\r\n" * 60_000
    world.bodies.files["a"] = text

    fields = done(world.signing().signature(HEADER, FileBody("a", len(text)), (DOMAIN,)))

    assert signed(fields, text) == ["pass", "pass"]
    assert max(world.bodies.read_sizes) <= 262_144


def test_expiry() -> None:
    """`[dkim] expire` is x=."""
    world = World(*pair(state="signing"))

    fields = done(world.signing(86400.0).signature(HEADER, InlineBody(BODY), (DOMAIN,)))

    assert fields.count(b"x=%d;" % (AT + 86400)) == 2
    assert signed(fields, now=AT + 86401) == ["fail", "fail"]


def test_keys_that_cannot_be_read() -> None:
    """It is said, and not remembered."""
    world = World(*pair(state="signing"))
    signing = world.signing()
    world.database.broken = TemporaryError(Reply(451, "4.3.0", "no"))
    assert isinstance(done(signing.signature(HEADER, InlineBody(BODY), (DOMAIN,))), TemporaryError)

    world.database.broken = None

    assert signed(done(signing.signature(HEADER, InlineBody(BODY), (DOMAIN,)))) == ["pass", "pass"]


# What the DNS shows


def test_what_the_dns_shows() -> None:
    """The key itself among other records, not one for tests, nor another."""
    key, other = pair()
    record = key.record.encode()

    assert shown(key.kind, key.public, [b"v=spf1 -all", record]) == "yes"
    assert shown(key.kind, key.public, [record.replace(b"DKIM1;", b"DKIM1; t=s; n=ours;")]) == "yes"
    assert shown(key.kind, key.public, []) == "no"
    assert shown(key.kind, key.public, [other.record.encode()]) == "differs"
    assert shown(key.kind, key.public, [record.replace(b"DKIM1;", b"DKIM1; t=y;")]) == "differs"
    assert shown(key.kind, key.public, [b"v=DKIM1; p="]) == "differs"


def test_first_pair_signs_once_it_is_shown() -> None:
    """Nothing signs before the DNS shows both records; then the first pair of a domain does."""
    world = World(*pair())
    rotation = world.rotation()
    done(rotation.look())
    world.publish(pair()[0])
    done(rotation.look())
    assert (world.states(), world.changed) == ({"2026a": "made"}, 0)

    world.publish(pair()[1])
    done(rotation.look())

    assert (world.states(), world.changed) == ({"2026a": "signing"}, 1)


def test_second_pair_waits_for_the_operator() -> None:
    """It is published, and signs when `mta dkim rotate` says so."""
    world = World(*pair(state="signing"), *pair("2026b", at=AT + 1))
    world.publish(*pair("2026b"))

    done(world.rotation().look())

    assert (world.states(), world.changed) == ({"2026a": "signing", "2026b": "published"}, 0)


def test_automatic_rotation() -> None:
    """With `rotate` a pair is made in time, signs once it is shown, and retires the other, which is gone later."""
    world = World(*pair(state="signing"))
    rotation = world.rotation(after=30 * 86400.0)
    done(rotation.look())
    assert world.states() == {"2026a": "signing"}

    world.now += 30 * 86400.0
    done(rotation.look())
    done(rotation.look())
    name = next(iter(world.states().keys() - {"2026a"}))
    assert world.states() == {"2026a": "signing", name: "made"}
    ((subject, text),) = world.told
    assert subject == "New DKIM keys of example.org"
    assert f"{name}-ed25519._domainkey.example.org. 3600 IN TXT" in text

    world.publish(*(key for key in keys_of(world.tx) if key.generation == name))
    done(rotation.look())
    assert world.states() == {"2026a": "retired", name: "signing"}

    world.now += RETIRED_FOR
    done(rotation.look())
    assert world.states() == {"2026a": "gone", name: "signing"}
    assert world.changed == 1


def test_administrator_who_cannot_be_told() -> None:
    """The keys are made nevertheless, and `mta dkim show` has them."""
    world = World(*pair(state="signing"))
    world.now += 40 * 86400.0
    world.deaf = TemporaryError(Reply(451, "4.3.0", "no"))

    assert done(world.rotation(after=30 * 86400.0).look()) is None

    assert list(world.states().values()) == ["signing", "made"]


def test_dns_that_does_not_answer() -> None:
    """Nothing is switched on account of silence."""
    world = World(*pair())
    world.publish(*pair())
    world.zone[pair()[1].name] = TemporaryError(Reply(451, "4.4.3", "no"))

    done(world.rotation().look())

    assert world.states() == {"2026a": "made"}


def test_keys_without_secret_do_not_sign() -> None:
    """A row that has lost its private key signs nothing."""
    world = World(*(replace(key, private=None) for key in pair(state="signing")))

    assert done(world.signing().signature(HEADER, InlineBody(BODY), (DOMAIN,))) == b""
