"""One connection to a directory: encrypt, bind, search; ldaptor speaks LDAP.

Needs the extra `ldap`.
"""

from __future__ import annotations

from typing import Any, Final

from ldaptor.ldapfilter import InvalidLDAPFilter, parseFilter
from ldaptor.protocols import pureldap
from ldaptor.protocols.ldap.ldapclient import LDAPClient
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator

from twistedmail_mta.tasks import promise_of

SUCCESS: Final = 0
SIZE_LIMIT_EXCEEDED: Final = 4
NO_SUCH_OBJECT: Final = 32
REFUSED: Final = frozenset({19, 48, 49, 50, 53})
"""Answers to a bind that are about whoever binds: constraintViolation (locked after failures),
inappropriateAuthentication (has no password), invalidCredentials, insufficientAccessRights and
unwillingToPerform (disabled); RFC 4511 section 4.1.9."""


class LDAPTrouble(Exception):
    """The directory can't be asked; the text says why, for the operator."""


class LDAPConnection:
    """A connection on which one question is asked after the other."""

    def __init__(self, client: LDAPClient) -> None:
        """Take a client whose connection is made."""
        self._client = client

    async def start_tls(self, creator: IOpenSSLClientConnectionCreator) -> None:
        """Encrypt (RFC 4511 section 4.14).

        Raises:
            LDAPTrouble: the directory won't.
        """
        response = await promise_of(self._client.send(pureldap.LDAPStartTLSRequest()))
        if response.resultCode != SUCCESS:
            raise LDAPTrouble(f"it refuses STARTTLS with result {_result(response)}")
        if self._client.buffer:  # what came in clear must not answer what is asked in secret
            raise LDAPTrouble("it sent more behind its answer to STARTTLS")
        self._client.transport.startTLS(creator)

    async def bind(self, name: str | bytes, password: str) -> Any:  # noqa: ANN401 - ldaptor's
        """Bind; return the response.

        An empty name or password would make an anonymous bind of it, which
        succeeds whoever asks (RFC 4513 section 5.1.2): that is never sent.

        Raises:
            LDAPTrouble: name or password are empty.
        """
        if not name or not password:
            raise LDAPTrouble("a bind without name or password proves nothing")
        octets = name if isinstance(name, bytes) else name.encode("utf-8")
        request = pureldap.LDAPBindRequest(dn=octets, auth=password.encode("utf-8"))
        response = await promise_of(self._client.send(request))
        if not isinstance(response, pureldap.LDAPBindResponse):
            raise LDAPTrouble("it answers a bind with something else")
        return response

    async def find(self, base: str, condition: str) -> list[bytes]:
        """Return the names of the first two entries below `base` that fulfil a filter.

        Raises:
            LDAPTrouble: it can't be searched.
        """
        request = pureldap.LDAPSearchRequest(
            baseObject=base.encode("utf-8"),
            sizeLimit=2,
            typesOnly=1,
            filter=parseFilter(condition),
            attributes=[b"1.1"],  # none (RFC 4511 section 4.5.1.8)
        )
        names: list[bytes] = []

        def take(response: Any) -> bool:  # noqa: ANN401 - ldaptor's
            if isinstance(response, pureldap.LDAPSearchResultEntry) and len(names) < request.sizeLimit:
                names.append(response.objectName)
            if isinstance(response, pureldap.LDAPSearchResultDone):
                ended.callback(response)
            return isinstance(response, pureldap.LDAPSearchResultDone)

        ended = self._client.send_multiResponse(request, take)
        done = await promise_of(ended)
        if done.resultCode not in (SUCCESS, SIZE_LIMIT_EXCEEDED):
            raise LDAPTrouble(f"it refuses the search with result {_result(done)}")
        return names

    def close(self) -> None:
        """Leave; what is under way ends."""
        if self._client.connected:
            self._client.send_noResponse(pureldap.LDAPUnbindRequest())
            self._client.transport.loseConnection()

    def abort(self) -> None:
        """Break off, whatever is under way."""
        self._client.transport.abortConnection()


def complaint(condition: str) -> str | None:
    """Return why text is no search filter, or None."""
    try:
        parseFilter(condition)
    except InvalidLDAPFilter as error:
        return f"filter is none of RFC 4515: {error.msg}"
    return None


def _result(response: Any) -> str:  # noqa: ANN401 - ldaptor's
    message = response.errorMessage
    text = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
    return f"{response.resultCode} {text[:200]}".rstrip()
