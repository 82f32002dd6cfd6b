"""Asking an authority for a certificate: the dialogue of RFC 8555, which blocks its thread.

Imported only where it is used, since the libraries take a quarter of a second
and are an extra.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, cast

from acme import client, crypto_util, errors, messages
from acme.challenges import KeyAuthorizationChallengeResponse
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.b64 import b64encode
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWK

from twistedmail_mta.acme.application import Application, NotIssued
from twistedmail_mta.acme.challenges import Challenges
from twistedmail_mta.config.acme import ChallengeName, ExternalAccountTable, KeyType
from twistedmail_mta.config.secrets import read_secret
from twistedmail_mta.tls.certificates import CertificateError, Identity, identity_of, key_pem
from twistedmail_mta.tls.server import server_context

WITHIN: Final = timedelta(seconds=120)
"""For the authority to look at the name, and to issue."""
REQUEST_WITHIN: Final = 30
"""Seconds for each request."""
_MOST_WORDS: Final = 500
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+={0,2}")

_FAILURES: Final = (
    *(errors.Error, JoseError, CertificateError, OSError),
    *(AttributeError, KeyError, TypeError, ValueError),  # what the libraries raise at answers that are none
)


def obtain(application: Application, answers: Challenges) -> Identity:
    """Ask for a certificate, answer the challenge, and return it with its key; blocks.

    Args:
        application: what is asked for; the terms of the authority are agreed to.
        answers: where the answers are published meanwhile.

    Raises:
        NotIssued: there is none.
    """
    try:
        return _obtain(application, answers)
    except NotIssued:
        raise
    except _FAILURES as error:
        raise NotIssued(_printable(_words(error))) from error


def _obtain(application: Application, answers: Challenges) -> Identity:
    key = JWK.load(application.account_key)
    authority = _registered(application, key)
    private = application.kept_key or key_pem(_new_key(application.key))
    order = authority.new_order(crypto_util.make_csr(private, [application.name]))
    deadline = datetime.now() + WITHIN  # noqa: DTZ005 - the library compares with such a one
    published: list[str] = []
    try:
        for challenge in _pending(order, application.challenge):
            token, authorization = _authorization(challenge.chall.to_partial_json(), key)
            published.append(token)
            answers.publish(application.challenge, application.name, token, authorization)
            ready = KeyAuthorizationChallengeResponse(key_authorization=authorization)
            authority.answer_challenge(challenge, ready)  # says no more than "{}"
        order = authority.poll_and_finalize(order, deadline)
    finally:
        for token in published:
            answers.withdraw(application.name, token)
    return _checked(application.name, order.fullchain_pem.encode("ascii"), private)


def _registered(application: Application, key: JWK) -> client.ClientV2:
    """Make ourselves known, or find out how the authority knows us (RFC 8555 section 7.3)."""
    trust = cast(bool, True if application.ca_file is None else str(application.ca_file))  # it takes a path, too
    agent = f"twistedmail-mta/{_release()}"
    network = client.ClientNetwork(key, alg=ES256, verify_ssl=trust, user_agent=agent, timeout=REQUEST_WITHIN)
    directory = client.ClientV2.get_directory(application.directory, network)
    authority = client.ClientV2(directory, network)
    external = application.external
    wish = messages.NewRegistration.from_data(
        email=application.email or None,
        terms_of_service_agreed=True,
        external_account_binding=None if external is None else bound(external, key, directory),
    )
    try:
        authority.new_account(wish)
    except errors.ConflictError as known:
        network.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())
    return authority


def bound(external: ExternalAccountTable, key: JWK, directory: messages.Directory) -> dict[str, Any]:
    """Return what binds our account to the customer's (RFC 8555 section 7.3.4).

    Raises:
        NotIssued: its key can't be read, or is none.
    """
    try:
        secret = read_secret(external.key_source)
    except (OSError, ValueError) as error:
        raise NotIssued(f"the key of the external account can't be read: {error}") from error
    if not _BASE64URL.fullmatch(secret):
        raise NotIssued("the key of the external account is no base64url")
    try:
        return messages.ExternalAccountBinding.from_data(key.public_key(), external.id, secret, directory)
    except (ValueError, JoseError) as error:
        raise NotIssued("the key of the external account is no base64url") from error


def _release() -> str:
    try:
        return version("twistedmail-mta")
    except PackageNotFoundError:
        return "checkout"


def _new_key(kind: KeyType) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    if kind == "rsa-2048":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _pending(order: messages.OrderResource, kind: ChallengeName) -> Iterator[messages.ChallengeBody]:
    """Yield the challenges to answer; none for a name that the authority has seen to be ours lately."""
    for authorization in order.authorizations:
        if authorization.body.status == messages.STATUS_VALID:
            continue
        offered = {each.chall.to_partial_json().get("type"): each for each in authorization.body.challenges}
        if kind not in offered:
            names = ", ".join(sorted(filter(None, offered))) or "none"
            raise NotIssued(f"the authority doesn't offer {kind}, only: {names}")
        yield offered[kind]


def _authorization(challenge: dict[str, Any], key: JWK) -> tuple[str, str]:
    """Return token and key authorization (RFC 8555 section 8.1); the library knows no tls-alpn-01."""
    token = str(challenge["token"])
    return token, f"{token}.{b64encode(key.thumbprint()).decode('ascii')}"


def _checked(name: str, chain: bytes, private: bytes) -> Identity:
    """Return what was issued, if it can be shown."""
    identity = identity_of(chain, private, "the authority's answer", "our key")
    if not identity.covers(name):
        raise CertificateError(f"the authority's certificate is not for {name}")
    server_context(identity)
    return identity


def _words(error: Exception) -> str:
    match error:
        case errors.ValidationError() | errors.IssuanceError() | messages.Error():
            return "; ".join(map(_problem, _problems(error)))
        case errors.TimeoutError():
            return "the authority didn't come to an end in time"
        case OSError():  # all that the library under it raises about the network is one
            return f"the authority can't be reached: {getattr(error.args[0] if error.args else None, 'reason', error)}"
        case CertificateError():
            return str(error)
    return f"the authority's answer can't be understood: {type(error).__name__}: {error}"


def _problems(error: errors.Error) -> list[messages.Error]:
    match error:
        case errors.ValidationError():
            bodies = [each for failed in error.failed_authzrs for each in failed.body.challenges]
            return [each.error for each in bodies if each.error is not None]
        case errors.IssuanceError():
            return [error.error]
        case messages.Error():
            return [error]
    return []


def _problem(problem: messages.Error) -> str:
    """Return the authority's words (RFC 8555 section 6.7)."""
    inner = "".join(f"; {_problem(each)}" for each in problem.subproblems or ())
    return f"{problem.code or problem.typ}: {problem.detail or problem.title or 'no details'}{inner}"


def _printable(text: str) -> str:
    """Return words of others on one line that fits into a log."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:_MOST_WORDS]
