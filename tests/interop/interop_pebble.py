"""Pebble, Let's Encrypt's test authority, with a name server that says of all names that they are one address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import trustme
from interop_daemons import Daemon, LoopbackNetwork

PEBBLE = Path("/usr/bin/pebble")
TEST_SERVER = Path("/usr/bin/pebble-challtestsrv")
HOST = 60
"""Of the run's network: everything is there, the server under test too."""
DIRECTORY_PORT, HTTP_PORT, TLS_PORT, DNS_PORT = 14000, 5002, 5001, 8053


class Pebble:
    """The authority; it looks at a name without any delay, and issues to customers alone where it is given some.

    Attributes:
        address: where names lead to.
        directory: its URL.
        ca_file: vouches for that.
    """

    def __init__(self, folder: Path, network: LoopbackNetwork, customers: Mapping[str, str] | None = None) -> None:
        folder.mkdir()
        self._customers = customers
        self.address = network.address(HOST)
        self.directory = f"https://{self.address}:{DIRECTORY_PORT}/dir"
        self.ca_file = folder / "ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        issued = authority.issue_cert(self.address)
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        issued.private_key_pem.write_to_path(folder / "key.pem")
        config = folder / "pebble.json"
        config.write_text(json.dumps({"pebble": self._config(folder)}))
        self._names = Daemon("challtestsrv", self._test_server(), folder / "challtestsrv.log")
        self._pebble = Daemon(
            "pebble",
            [PEBBLE, "-config", config, "-dnsserver", f"{self.address}:{DNS_PORT}"],
            folder / "pebble.log",
            # Look at once, and accept every nonce; but look anew for each certificate.
            {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"},
        )

    def _config(self, folder: Path) -> dict[str, object]:
        return {
            "listenAddress": f"{self.address}:{DIRECTORY_PORT}",
            "managementListenAddress": "",
            "certificate": str(folder / "cert.pem"),
            "privateKey": str(folder / "key.pem"),
            "httpPort": HTTP_PORT,
            "tlsPort": TLS_PORT,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": self._customers is not None,
            "externalAccountMACKeys": dict(self._customers or {}),
        }

    def _test_server(self) -> list[str | Path]:
        off = [word for name in ("http01", "https01", "tlsalpn01") for word in (f"-{name}", "")]
        at = ["-management", f"{self.address}:8055", "-dns01", f"{self.address}:{DNS_PORT}"]
        return [TEST_SERVER, "-defaultIPv4", self.address, "-defaultIPv6", "", *at, *off]

    def start(self) -> None:
        """Begin to issue."""
        self._names.start((self.address, 8055))
        self._pebble.start((self.address, DIRECTORY_PORT))

    def stop(self) -> None:
        """Issue no more."""
        self._pebble.stop()
        self._names.stop()

    def output(self) -> str:
        """Return what it has said so far."""
        return self._pebble.output()
