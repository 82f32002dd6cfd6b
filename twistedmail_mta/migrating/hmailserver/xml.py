"""hMailServerBackup.xml, as hMailServer's backup writes it, read into the rows of its database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.parsers import expat

from twistedmail_mta.migrating.findings import Place
from twistedmail_mta.migrating.hmailserver.rows import Row, Tables

_TABLES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "Domain": (
        "domains",
        {
            "Name": "domainname",
            "Postmaster": "domainpostmaster",
            "Active": "domainactive",
            "MaxMessageSize": "domainmaxmessagesize",
            "MaxSize": "domainmaxsize",
            "MaxAccountSize": "domainmaxaccountsize",
            "UsePlusAddressing": "domainuseplusaddressing",
            "PlusAddressingChar": "domainplusaddressingchar",
            "EnableSignature": "domainenablesignature",
            "SignatureMethod": "domainsignaturemethod",
            "SignaturePlainText": "domainsignatureplaintext",
            "SignatureHTML": "domainsignaturehtml",
            "AddSignaturesToReplies": "domainaddsignaturestoreplies",
            "AddSignaturesToLocalMail": "domainaddsignaturestolocalemail",
            "LimitationsEnabled": "domainlimitationsenabled",
            "DKIMSelector": "domaindkimselector",
            "DKIMPrivateKeyFile": "domaindkimprivatekeyfile",
        },
    ),
    "DomainAlias": ("domain_aliases", {"Name": "daalias"}),
    "Account": (
        "accounts",
        {
            "Name": "accountaddress",
            "Active": "accountactive",
            "Password": "accountpassword",
            "PasswordEncryption": "accountpwencryption",
            "MaxAccountSize": "accountmaxsize",
            "ADActive": "accountisad",
            "AdminLevel": "accountadminlevel",
            "VacationMessageOn": "accountvacationmessageon",
            "ForwardEnabled": "accountforwardenabled",
            "ForwardAddress": "accountforwardaddress",
            "ForwardKeepOriginal": "accountforwardkeeporiginal",
            "EnableSignature": "accountenablesignature",
        },
    ),
    "Alias": ("aliases", {"Name": "aliasname", "Value": "aliasvalue", "Active": "aliasactive"}),
    "DistributionList": (
        "distributionlists",
        {
            "Name": "distributionlistaddress",
            "Active": "distributionlistenabled",
            "RequiresAuth": "distributionlistrequireauth",
            "RequiresAuthAddress": "distributionlistrequireaddress",
            "ListMode": "distributionlistmode",
        },
    ),
    "Recipient": ("distributionlistsrecipients", {"Name": "distributionlistrecipientaddress"}),
    "DistributionListRecipient": ("distributionlistsrecipients", {"Name": "distributionlistrecipientaddress"}),
    "Route": (
        "routes",
        {
            "Name": "routedomainname",
            "TargetHost": "routetargetsmthost",
            "TargetPort": "routetargetsmtport",
            "ToAllAddresses": "routealladdresses",
            "RequiresAuthentication": "routeuseauthentication",
            "Username": "routeauthenticationusername",
            "TreatRecipientAsLocalDomain": "routetreatsecurityaslocal",
            "ConnectionSecurity": "routeconnectionsecurity",
        },
    ),
    "RouteAddress": ("routeaddresses", {"Name": "routeaddressaddress"}),
    "TCPIPPort": (
        "tcpipports",
        {
            "PortProtocol": "portprotocol",
            "PortNumber": "portnumber",
            "Address": "portaddress1",
            "ConnectionSecurity": "portconnectionsecurity",
        },
    ),
    "SSLCertificate": (
        "sslcertificates",
        {"Name": "sslcertificatename", "CertificateFile": "sslcertificatefile", "PrivateKeyFile": "sslprivatekeyfile"},
    ),
    "DNSBlackList": (
        "dnsbl",
        {"Name": "sbldnshost", "Active": "sblactive", "ExpectedResult": "sblresult", "Score": "sblscore"},
    ),
    "Rule": ("rules", {"Name": "rulename", "Active": "ruleactive"}),
    "FetchAccount": (
        "fetchaccounts",
        {"Name": "faaccountname", "ServerAddress": "faserveraddress", "Active": "faactive"},
    ),
    "Folder": ("imapfolders", {"Name": "foldername"}),
}
_PARENTS: Final[Mapping[str, tuple[str, str]]] = {
    "DomainAlias": ("Domain", "dadomainid"),
    "Account": ("Domain", "accountdomainid"),
    "Alias": ("Domain", "aliasdomainid"),
    "DistributionList": ("Domain", "distributionlistdomainid"),
    "Recipient": ("DistributionList", "distributionlistrecipientlistid"),
    "DistributionListRecipient": ("DistributionList", "distributionlistrecipientlistid"),
    "RouteAddress": ("Route", "routeaddressrouteid"),
    "Rule": ("Account", "ruleaccountid"),
}
_IDS: Final = {
    "Domain": "domainid",
    "DistributionList": "distributionlistid",
    "Route": "routeid",
    "Account": "accountid",
}


def parse_xml(text: str, file: str, tables: Tables) -> None:
    """Read a backup into tables.

    Args:
        text: of it.
        file: what it is called.
        tables: get the rows.

    Raises:
        ValueError: it is no XML, or declares a document type, which a backup doesn't.
    """
    reader = _Backup(file, tables)
    parser = reader.parser
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise ValueError(f"{file} is no XML: {error}") from None


class _Backup:
    """A backup that is being read: which elements are open, and the ids that they got."""

    def __init__(self, file: str, tables: Tables) -> None:
        self.parser = expat.ParserCreate("utf-8")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._refuse
        self._file = file
        self._tables = tables
        self._open: list[str] = []
        self._ids: dict[str, str] = {}
        self._count = 0

    def _refuse(self, *_: object) -> None:
        raise ValueError(f"{self._file} declares a document type, which no backup of hMailServer does")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        parent = self._open[-1] if self._open else ""
        self._open.append(name)
        if parent == "Properties":
            values = {"settingname": name}
            values |= {
                "settinginteger": attributes.get("LongValue", ""),
                "settingstring": attributes.get("StringValue", ""),
            }
            self._tables.add("settings", Row(values, self._place))
        elif name in _TABLES:
            self._element(name, attributes)

    def _element(self, name: str, attributes: Mapping[str, str]) -> None:
        table, columns = _TABLES[name]
        values = {column: attributes.get(attribute, "") for attribute, column in columns.items()}
        if name in _PARENTS:
            kind, column = _PARENTS[name]
            values[column] = self._ids.get(kind, "") if kind in self._open else "0"
        if name in _IDS:
            self._count += 1
            self._ids[name] = values[_IDS[name]] = str(self._count)
        self._tables.add(table, Row(values, self._place))

    def _end(self, _: str) -> None:
        self._open.pop()

    @property
    def _place(self) -> Place:
        return Place(self._file, self.parser.CurrentLineNumber)
