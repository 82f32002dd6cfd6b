"""A database of hMailServer with three domains: as MySQL, SQL Server and PostgreSQL dump it, and its backup."""

from __future__ import annotations

import hashlib

SALTED = "a1b2c3" + hashlib.sha256(b"a1b2c3" + b"correct horse").hexdigest()
"""The password "correct horse" as hMailServer keeps it by default."""
MD5 = hashlib.md5(b"staple").hexdigest()

DOMAINS = [
    "domainid",
    "domainname",
    "domainactive",
    "domainpostmaster",
    "domainmaxsize",
    "domainmaxmessagesize",
    "domainuseplusaddressing",
    "domainplusaddressingchar",
    "domainenablesignature",
    "domainsignatureplaintext",
    "domainsignaturehtml",
    "domainaddsignaturestoreplies",
    ("domainaddsignaturestolocalemail"),
    "domainmaxaccountsize",
    "domaindkimselector",
]
ACCOUNTS = [
    "accountid",
    "accountdomainid",
    "accountadminlevel",
    "accountaddress",
    "accountpassword",
    "accountactive",
    "accountisad",
    "accountmaxsize",
    "accountvacationmessageon",
    "accountpwencryption",
    "accountforwardenabled",
    "accountforwardaddress",
    "accountforwardkeeporiginal",
    "accountenablesignature",
]

ROWS: dict[str, tuple[list[str], list[list[object]]]] = {
    "domains": (
        DOMAINS,
        [
            [1, "example.org", 1, "office@example.org", 0, 0, 1, "+", 1, "Example Ltd\r\nIt's us", "", 1, 0, 500, "s1"],
            [2, "example.net", 1, "", 0, 0, 0, "+", 0, "", "", 0, 0, 0, ""],
            [3, "closed.example", 0, "", 0, 0, 0, "+", 0, "", "", 0, 0, 0, ""],
        ],
    ),
    "domain_aliases": (["daid", "dadomainid", "daalias"], [[1, 1, "example.com"], [2, 3, "gone.example"]]),
    "accounts": (
        ACCOUNTS,
        [
            [1, 1, 0, "office@example.org", SALTED, 1, 0, 100, 0, 3, 0, "", 0, 0],
            [2, 1, 2, "ann@example.org", MD5, 1, 0, 0, 1, 2, 1, "ann@elsewhere.example", 1, 0],
            [3, 2, 0, "bob@example.net", "0123456789abcdef", 1, 0, 0, 0, 1, 0, "", 0, 0],
            [4, 2, 0, "carl@example.net", "plain;text''s", 0, 0, 0, 0, 0, 0, "", 0, 0],
            [5, 2, 0, "dora@example.net", "", 1, 1, 0, 0, 0, 0, "", 0, 0],
            [6, 3, 0, "eve@closed.example", SALTED, 1, 0, 0, 0, 3, 0, "", 0, 0],
        ],
    ),
    "aliases": (
        ["aliasid", "aliasdomainid", "aliasname", "aliasvalue", "aliasactive"],
        [[1, 1, "info@example.org", "office@example.org", 1], [2, 1, "old@example.org", "office@example.org", 0]],
    ),
    "distributionlists": (
        [
            "distributionlistid",
            "distributionlistdomainid",
            "distributionlistaddress",
            "distributionlistenabled",
            "distributionlistrequireauth",
            ("distributionlistrequireaddress"),
            "distributionlistmode",
        ],
        [[1, 1, "all@example.org", 1, 0, "", 0], [2, 2, "news@example.net", 1, 1, "bob@example.net", 2]],
    ),
    "distributionlistsrecipients": (
        ["distributionlistrecipientid", "distributionlistrecipientlistid", "distributionlistrecipientaddress"],
        [[1, 1, "ann@example.org"], [2, 1, "bob@example.net"], [3, 2, "ann@example.org"]],
    ),
    "routes": (
        [
            "routeid",
            "routedomainname",
            "routetargetsmthost",
            "routetargetsmtport",
            "routealladdresses",
            "routeuseauthentication",
            "routeauthenticationusername",
            "routetreatsecurityaslocal",
            "routeconnectionsecurity",
        ],
        [
            [1, "branch.example", "192.0.2.7", 2525, 0, 0, "", 1, 3],
            [2, "partner.example", "mx.partner.example", 25, 1, 1, "us", 0, 0],
        ],
    ),
    "routeaddresses": (
        ["routeaddressid", "routeaddressrouteid", "routeaddressaddress"],
        [[1, 1, "desk@branch.example"]],
    ),
    "settings": (
        ["settingid", "settingname", "settingstring", "settinginteger"],
        [
            [1, "hostname", "mail.example.org", 0],
            [2, "maxmessagesize", "", 20480],
            [3, "smtprelayer", "relay.provider.example", 0],
            [4, "smtprelayerport", "", 465],
            [5, "smtprelayerconnectionsecurity", "", 1],
            [6, "usesmtprelayerauthentication", "", 1],
            [7, "smtprelayerusername", "customer", 0],
            [8, "smtprelayerpassword", "00ff", 0],
            [9, "usegreylisting", "", 1],
            [10, "greylistinginitialdelay", "", 7],
            [11, "mirroremailaddress", "archive@example.org", 0],
            [12, "usescriptserver", "", 1],
            [13, "spamdeletethreshold", "", 20],
            [14, "spammarkthreshold", "", 5],
            [15, "usespf", "", 1],
            [16, "spamassassinenabled", "", 1],
            [17, "spamassassinhost", "127.0.0.1", 0],
            [18, "spamassassinport", "", 783],
            [19, "rulelooplimit", "", 5],
        ],
    ),
    "dnsbl": (
        ["sblid", "sblactive", "sbldnshost", "sblresult", "sblrejectmessage", "sblscore"],
        [[1, 1, "zen.spamhaus.org", "127.0.0.2-8|127.0.0.10-11", "", 3], [2, 0, "bl.spamcop.net", "127.0.0.2", "", 3]],
    ),
    "tcpipports": (
        [
            "portid",
            "portprotocol",
            "portnumber",
            "portaddress1",
            "portaddress2",
            "portconnectionsecurity",
            "portsslcertificateid",
        ],
        [
            [1, 1, 25, 0, None, 2, 0],
            [2, 1, 465, 0, None, 1, 1],
            [3, 1, 587, 0, None, 3, 1],
            [4, 5, 993, 2130706433, None, 1, 1],
        ],
    ),
    "sslcertificates": (
        ["sslcertificateid", "sslcertificatename", "sslcertificatefile", "sslprivatekeyfile"],
        [[1, "mail", "C:\\certs\\mail.pem", "C:\\certs\\mail.key"]],
    ),
    "rules": (["ruleid", "ruleaccountid", "rulename", "ruleactive"], [[1, 0, "to Junk", 1]]),
    "securityranges": (["rangeid", "rangename"], [[1, "Internet"], [2, "Printers"]]),
}


def _mysql(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\\", "\\\\").replace("'", "\\'").replace("\r", "\\r").replace("\n", "\\n")
    return f"'{text}'"


def _standard(value: object, prefix: str = "") -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else prefix + "'" + str(value).replace("'", "''") + "'"


def mysql() -> str:
    """As mysqldump writes it: columns in CREATE TABLE alone, several rows to a statement."""
    parts = ["-- MySQL dump 10.13  Distrib 8.0.36\n/*!40101 SET NAMES utf8 */;\n"]
    for table, (columns, rows) in ROWS.items():
        defined = ",\n".join(f"  `{column}` varchar(255) NOT NULL DEFAULT 'a,(b'" for column in columns)
        parts.append(
            f"CREATE TABLE `hm_{table}` (\n{defined},\n  PRIMARY KEY (`{columns[0]}`),\n  KEY `x`"
            f" (`{columns[0]}`)\n) ENGINE=InnoDB;\n"
        )
        values = ",".join(f"({','.join(map(_mysql, row))})" for row in rows)
        parts.append(f"INSERT INTO `hm_{table}` VALUES {values};\n")
    return "".join(parts)


def mssql() -> str:
    """As SQL Server's scripts write it: a statement for each row, columns named."""
    lines = []
    for table, (columns, rows) in ROWS.items():
        names = ", ".join(f"[{column}]" for column in columns)
        lines += [
            f"INSERT [dbo].[hm_{table}] ({names}) VALUES ({', '.join(_standard(value, 'N') for value in row)})\nGO"
            for row in rows
        ]
    return "\n".join(lines)


def pgsql() -> str:
    """As pg_dump writes it: COPY."""

    def field(value: object) -> str:
        text = "\\N" if value is None else str(value).replace("\\", "\\\\")
        return text.replace("\t", "\\t").replace("\r", "\\r").replace("\n", "\\n")

    parts = []
    for table, (columns, rows) in ROWS.items():
        lines = "".join("\t".join(map(field, row)) + "\n" for row in rows)
        parts.append(f"COPY public.hm_{table} ({', '.join(columns)}) FROM stdin;\n{lines}\\.\n\n")
    return "".join(parts)


BACKUP = f"""\
<?xml version="1.0" encoding="utf-8"?>
<Backup>
  <BackupInformation Mode="7" Version="5.6.8-B2574"/>
  <Domains>
    <Domain Name="example.org" Postmaster="office@example.org" Active="1" UsePlusAddressing="1" PlusAddressingChar="+">
      <DomainAliases><DomainAlias Name="example.com"/></DomainAliases>
      <Accounts>
        <Account Name="office@example.org" Active="1" Password="{SALTED}"
          PasswordEncryption="3" MaxAccountSize="100"><Rules/></Account>
        <Account Name="ann@example.org" Active="1" Password="{MD5}" PasswordEncryption="2" ForwardEnabled="1"
          ForwardAddress="ann@elsewhere.example" ForwardKeepOriginal="1">
          <Rules><Rule Name="mine" Active="1"/></Rules></Account>
      </Accounts>
      <Aliases><Alias Name="info@example.org" Value="office@example.org" Active="1"/></Aliases>
      <DistributionLists>
        <DistributionList Name="all@example.org" Active="1" ListMode="0">
          <Recipients><Recipient Name="ann@example.org"/><Recipient Name="bob@example.net"/></Recipients>
        </DistributionList>
      </DistributionLists>
    </Domain>
  </Domains>
  <Properties>
    <hostname LongValue="0" StringValue="mail.example.org"/>
    <maxmessagesize LongValue="20480" StringValue=""/>
  </Properties>
  <TCPIPPorts><TCPIPPort Name="1-25" PortProtocol="1" PortNumber="25"
    ConnectionSecurity="2" Address="0.0.0.0"/></TCPIPPorts>
</Backup>
"""
