"""Real handshakes with hosts whose certificates TLSA records mean, or don't."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from time import process_time

import pytest
from chain_made import Made, made, server_context
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.tls.by_records import NO_RECORD, NOT_VALID, RecordsConnectionCreator, problem_of
from twistedmail_mta.tls.client import ClientTLS

HOST = "mx.example.net"


@pytest.fixture(scope="module")
def root() -> Made:
    return made("Root", is_authority=True)


@pytest.fixture(scope="module")
def middle(root: Made) -> Made:
    return made("Middle", root, is_authority=True)


@pytest.fixture(scope="module")
def leaf(middle: Made) -> Made:
    return made("of no interest", middle, names=[HOST])


def handshake(context: SSL.Context, *records: TLSA, names: Sequence[str] = (HOST,)) -> RecordsConnectionCreator:
    """Shake hands in memory; return what the client made of it."""
    creator = ClientTLS().connection_by_records(HOST, records, names)
    client = creator.clientConnectionForTLS(None)  # type: ignore[arg-type]
    server = SSL.Connection(context, None)
    client.set_connect_state()
    server.set_accept_state()
    done: set[SSL.Connection] = set()
    for _ in range(10):
        for one, another in ((client, server), (server, client)):
            try:
                one.do_handshake()
                done.add(one)
            except SSL.WantReadError:
                pass
            except SSL.Error:
                assert not creator.proven
                return creator
            with suppress(SSL.WantReadError):
                another.bio_write(one.bio_read(1 << 16))
    assert client in done
    assert creator.proven, "a handshake that proves nothing must not end well"
    return creator


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize("usage", [2, 3])
def test_right_records(middle: Made, leaf: Made, usage: int, selector: int, matching: int) -> None:
    """Each form of record, of the host's own certificate or of the authority above it."""
    record = (leaf if usage == 3 else middle).record(usage, selector, matching)

    found = handshake(server_context(leaf, middle), record)

    assert (found.proven, found.problem) == (True, "")


def test_root_in_the_chain(root: Made, middle: Made, leaf: Made) -> None:
    """The anchor may be the root, if the host shows it."""
    assert handshake(server_context(leaf, middle, root), root.record(2)).proven
    assert handshake(server_context(leaf, middle), root.record(2)).problem == NO_RECORD
    assert handshake(server_context(leaf, middle), root.record(2, 0, 0)).proven


def test_own_certificate_needs_neither_name_nor_date() -> None:
    """With usage DANE-EE a self-signed, expired certificate for another name does (RFC 7672 section 3.1.1)."""
    leaf = made("else.example", age=100, days=10)

    assert handshake(server_context(leaf), leaf.record(3)).proven


def test_wrong_record(leaf: Made, middle: Made) -> None:
    """Another key than the record's ends the handshake."""
    stranger = made(HOST, names=[HOST])

    found = handshake(server_context(stranger), leaf.record(3), middle.record(2))

    assert (found.proven, found.problem) == (False, NO_RECORD)


def test_one_of_several_is_enough(leaf: Made, middle: Made) -> None:
    """While keys are changed, records of the old and the new one stand side by side."""
    assert handshake(server_context(leaf, middle), made("old").record(3), leaf.record(3)).proven


def test_authority_of_another(root: Made, middle: Made) -> None:
    """A host that shows the right authority beside a certificate which that didn't sign."""
    impostor = made(HOST, names=[HOST])

    found = handshake(server_context(impostor, middle, root), middle.record(2))

    assert (found.proven, found.problem) == (False, NO_RECORD)


def test_forged_signature(root: Made, leaf: Made) -> None:
    """An authority of the same name with another key isn't the leaf's."""
    false = made("Middle", root, is_authority=True)

    assert not handshake(server_context(leaf, false), false.record(2)).proven


@pytest.mark.parametrize("who", ["leaf", "middle"])
def test_expired_below_an_authority(root: Made, middle: Made, who: str) -> None:
    """With usage DANE-TA dates count, of the host's certificate and of those above it."""
    above = made("Middle", root, is_authority=True, age=100) if who == "middle" else middle
    below = made(HOST, above, names=[HOST], age=100 if who == "leaf" else 1)

    found = handshake(server_context(below, above, root), root.record(2))

    assert (found.proven, found.problem) == (False, NOT_VALID)


def test_no_authority(root: Made) -> None:
    """What may not sign can't stand between."""
    below = made("Middle", root)
    last = made(HOST, below, names=[HOST])

    assert handshake(server_context(last, below, root), root.record(2)).problem == NOT_VALID


@pytest.mark.parametrize(
    ("of_certificate", "wanted", "proven"),
    [
        (["mx.example.net"], ["mx.example.net", "example.net"], True),
        (["example.net"], ["mx.example.net", "example.net"], True),
        (["*.example.net"], ["mx.example.net"], True),
        (["*.example.net"], ["a.mx.example.net"], False),
        (["MX.Example.NET"], ["mx.example.net"], True),
        (["other.example"], ["mx.example.net", "example.net"], False),
        ([], ["mx.example.net"], True),
        ([], ["other.example"], False),
    ],
)
def test_names_below_an_authority(middle: Made, of_certificate: list[str], wanted: list[str], proven: bool) -> None:
    """One of the names must be the certificate's; without the extension its common name (RFC 7672 section 3.2)."""
    leaf = made(HOST, middle, names=of_certificate)

    found = handshake(server_context(leaf, middle), middle.record(2), names=wanted)

    assert found.proven == proven
    assert proven or found.problem == f"the certificate is not for {' or '.join(wanted)}"


def test_common_name_beside_the_extension(middle: Made) -> None:
    """A common name doesn't count where the extension has names."""
    leaf = made(HOST, middle, names=["other.example"])

    assert not handshake(server_context(leaf, middle), middle.record(2)).proven


def test_whole_key_of_an_authority(root: Made, middle: Made, leaf: Made) -> None:
    """A key in the DNS needs no certificate: who is signed by it stands below it (RFC 7671 section 5.2.3)."""
    alone = made(HOST, root, names=[HOST])

    assert handshake(server_context(leaf, middle), root.record(2, 1, 0)).proven
    assert handshake(server_context(alone), root.record(2, 1, 0)).proven
    assert handshake(server_context(leaf, middle), made("else").record(2, 1, 0), root.record(2, 1, 0)).proven


def test_whole_key_that_signed_nothing(root: Made, middle: Made, leaf: Made) -> None:
    """Nor do a key of an authority of the same name, one that can't be read, and one of an end's record."""
    for record in (
        made("Root", is_authority=True).record(2, 1, 0),
        TLSA(2, 1, 0, b"0"),
        root.record(3, 1, 0),
    ):
        assert handshake(server_context(leaf, middle), record).problem == NO_RECORD


def test_whole_key_of_another_kind(leaf: Made, middle: Made) -> None:
    """A key that can't have made the signature doesn't end the handshake by an exception."""
    for key in (generate_private_key(65537, 2048), Ed25519PrivateKey.generate(), X25519PrivateKey.generate()):
        octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

        assert handshake(server_context(leaf, middle), TLSA(2, 1, 0, octets)).problem == NO_RECORD


def test_names_and_dates_below_a_whole_key(root: Made) -> None:
    """They count, as below a certificate."""
    for_another = made(HOST, root, names=["other.example"])
    expired = made(HOST, root, names=[HOST], age=100)
    middle = made("Middle", root, is_authority=True, age=100)
    below = made(HOST, middle, names=[HOST])

    record = root.record(2, 1, 0)
    assert handshake(server_context(for_another), record).problem == f"the certificate is not for {HOST}"
    assert handshake(server_context(expired), record).problem == NOT_VALID
    assert handshake(server_context(below, middle), record).problem == NOT_VALID


def test_huge_key() -> None:
    """What a record says can't keep the reactor computing."""
    numbers = RSAPublicNumbers(65537, (1 << 16383) + 1)
    octets = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    certificate = made(HOST, names=[HOST])

    begin = process_time()
    problem = problem_of(certificate.der, [], [TLSA(2, 1, 0, octets)] * 32, [HOST])

    assert problem == NO_RECORD
    assert process_time() - begin < 0.1


def test_many_anchors(root: Made, middle: Made, leaf: Made) -> None:
    """However many certificates a zone holds, few are tried, and those first that the host shows."""
    others = [made(f"other {number}", is_authority=True).record(2, 0, 0) for number in range(32)]

    begin = process_time()
    problem = problem_of(leaf.der, [middle.der], others, [HOST])
    assert problem == NOT_VALID
    assert process_time() - begin < 0.02

    assert problem_of(leaf.der, [middle.der], [*others, middle.record(2)], [HOST]) == ""


def test_long_chain(root: Made) -> None:
    """A host may show some certificates above its own, and not as many as it likes: each would be checked."""
    for length, proven in ((9, True), (10, False)):
        chain = [root]
        for number in range(length - 1):
            chain.append(made(f"below {number}", chain[-1], is_authority=True))
        leaf = made(HOST, chain[-1], names=[HOST])

        found = handshake(server_context(leaf, *reversed(chain)), root.record(2))

        assert (found.proven, length) == (proven, length)
