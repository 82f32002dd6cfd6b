"""A directory for tests: ldaptor's own server over a tree in memory, on loopback, with TLS as it is asked for."""

from __future__ import annotations

from typing import Any

from ldaptor.inmemory import ReadOnlyInMemoryLDAPEntry
from ldaptor.interfaces import IConnectedLDAPEntry
from ldaptor.protocols import pureldap
from ldaptor.protocols.ldap.ldapserver import LDAPServer
from twisted.internet.protocol import ServerFactory
from twisted.python.components import registerAdapter

BASE = "ou=people,dc=example,dc=org"
ADMIN, ADMIN_PASSWORD = "cn=mta,dc=example,dc=org", "the mta's own"


def tree(people: dict[str, tuple[str, str]]) -> ReadOnlyInMemoryLDAPEntry:
    """Return a tree with an entry `uid=NAME` for each of `people`, who have a mail address and a password."""
    root = ReadOnlyInMemoryLDAPEntry("")
    org = root.addChild("dc=org", {"objectClass": ["dcObject"], "dc": ["org"]})
    example = org.addChild("dc=example", {"objectClass": ["dcObject"], "dc": ["example"]})
    example.addChild("cn=mta", {"objectClass": ["person"], "cn": ["mta"], "userPassword": [ADMIN_PASSWORD]})
    folder = example.addChild("ou=people", {"objectClass": ["organizationalUnit"], "ou": ["people"]})
    for uid, (mail, password) in people.items():
        folder.addChild(
            f"uid={uid}", {"objectClass": ["person"], "uid": [uid], "mail": [mail], "userPassword": [password]}
        )
    return root


class DirectoryServer(LDAPServer):
    """Notes what it is asked; answers what the factory was told to answer."""

    def connectionMade(self) -> None:  # noqa: N802 - its base's name
        super().connectionMade()
        self.factory.connections += 1
        self.factory.open.add(self)

    def connectionLost(self, reason: Any) -> None:  # noqa: N802 - its base's name
        super().connectionLost(reason)
        self.factory.open.discard(self)

    def handle(self, message: Any) -> None:
        if self.factory.silent:
            return
        if isinstance(message.value, pureldap.LDAPExtendedRequest):
            self._start_tls(message)
            return
        super().handle(message)

    def _start_tls(self, message: Any) -> None:
        answer = pureldap.LDAPExtendedResponse(resultCode=self.factory.tls_result, responseName=None)
        octets = pureldap.LDAPMessage(answer, id=message.id).toWire()
        self.transport.write(octets + self.factory.behind_tls(message.id))
        if not self.factory.tls_result and not self.factory.injects:
            self.transport.startTLS(self.factory.creator)

    def handle_LDAPBindRequest(self, request: Any, controls: Any, reply: Any) -> Any:  # noqa: N802 - its base's name
        self.factory.binds.append((request.dn, request.auth))
        if self.factory.bind_result is not None:
            return pureldap.LDAPBindResponse(resultCode=self.factory.bind_result)
        return super().handle_LDAPBindRequest(request, controls, reply)

    def handle_LDAPSearchRequest(self, request: Any, controls: Any, reply: Any) -> Any:  # noqa: N802 - its base's name
        self.factory.searches.append(request)
        if self.factory.needs_login and self.boundUser is None:
            return pureldap.LDAPSearchResultDone(resultCode=50)
        return super().handle_LDAPSearchRequest(request, controls, reply)


class DirectoryFactory(ServerFactory):
    """The directory behind one port."""

    protocol = DirectoryServer

    def __init__(self, root: ReadOnlyInMemoryLDAPEntry, creator: Any = None) -> None:
        self.root = root
        self.creator = creator
        self.connections = 0
        self.open: set[DirectoryServer] = set()
        self.binds: list[tuple[bytes, bytes]] = []
        self.searches: list[Any] = []
        self.bind_result: int | None = None
        self.tls_result = 0
        self.injects = False
        self.silent = False
        self.needs_login = False

    def behind_tls(self, number: int) -> bytes:
        """What comes in clear behind the answer to STARTTLS: nothing, or a success to the bind that will follow."""
        if not self.injects:
            return b""
        return pureldap.LDAPMessage(pureldap.LDAPBindResponse(resultCode=0), id=number + 1).toWire()


registerAdapter(lambda factory: factory.root, DirectoryFactory, IConnectedLDAPEntry)
