"""What a POP3 server says, in German."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Done": "Erledigt",
    "Now send PASS and the password": "Nun PASS und das Passwort senden",
    "Goodbye": "Auf Wiedersehen",
    "Begin TLS now": "Jetzt TLS beginnen",
    "What this server can do:": "Was dieser Server kann:",
    "Ways to log in:": "Wege zur Anmeldung:",
    "UTF-8 it is": "UTF-8 ist eingeschaltet",
    "Languages:": "Sprachen:",
    "English it is": "Ab jetzt auf Deutsch",
    "{} POP3 server ready": "{} POP3-Server bereit",
    "Logged in: {} messages, {} octets": "Angemeldet: {} Nachrichten, {} Oktette",
    "{} messages, {} octets": "{} Nachrichten, {} Oktette",
    "{} octets": "{} Oktette",
    "Top of the message follows": "Der Anfang der Nachricht folgt",
    "Message {} will be deleted at QUIT": "Nachricht {} wird bei QUIT gelöscht",
    "Unknown command; CAPA lists what this server can do": "Unbekannter Befehl; CAPA zeigt, was dieser Server kann",
    "Type a command; CAPA lists what this server can do": (
        "Bitte einen Befehl eingeben; CAPA zeigt, was dieser Server kann"
    ),
    "Line too long": "Zeile zu lang",
    "Command holds control characters or is not UTF-8": "Der Befehl enthält Steuerzeichen oder ist nicht UTF-8",
    "Command takes no argument": "Der Befehl hat kein Argument",
    "Command needs the number of a message, as LIST tells them": (
        "Der Befehl braucht die Nummer einer Nachricht, wie LIST sie nennt"
    ),
    "Syntax: TOP message-number lines": "Syntax: TOP Nachrichtennummer Zeilen",
    "Syntax: USER name": "Syntax: USER Name",
    "Syntax: PASS password": "Syntax: PASS Passwort",
    "Syntax: AUTH mechanism [initial-response]": "Syntax: AUTH Mechanismus [erste-Antwort]",
    "Log in first: USER name, then PASS password": "Zuerst anmelden: USER Name, dann PASS Passwort",
    "You are logged in already": "Sie sind schon angemeldet",
    "Send USER and the name just before PASS": "USER und der Name gehören unmittelbar vor PASS",
    "Passwords are not taken in clear text here: send STLS first, or use the port for TLS": (
        "Passwörter werden hier nicht im Klartext angenommen: zuerst STLS senden oder den Port für TLS benutzen"
    ),
    "Passwords are not taken in clear text here, and this server has no TLS": (
        "Passwörter werden hier nicht im Klartext angenommen, und dieser Server hat kein TLS"
    ),
    "TLS is not available": "TLS ist nicht verfügbar",
    "TLS is active already": "TLS ist schon eingeschaltet",
    "Unknown mechanism; CAPA lists those that may be used now": (
        "Unbekannter Mechanismus; CAPA zeigt die jetzt erlaubten"
    ),
    "Bad base64: name and password are sent encoded, not as they are": (
        "Kein Base64: Name und Passwort werden kodiert gesendet, nicht wie sie sind"
    ),
    "Login cancelled": "Anmeldung abgebrochen",
    "No such message": "Diese Nachricht gibt es nicht",
    "Message is marked as deleted; RSET takes the marks away": (
        "Die Nachricht ist zum Löschen vorgemerkt; RSET hebt das auf"
    ),
    "Language is not known here; LANG alone lists those that are": (
        "Diese Sprache ist hier nicht bekannt; LANG allein zeigt die bekannten"
    ),
    "Too many sessions of this account": "Zu viele Sitzungen dieses Kontos",
    "Maildrop is in use by another session": "Das Postfach wird von einer anderen Sitzung benutzt",
    "Logged in too recently, please wait": "Die letzte Anmeldung ist zu kurz her, bitte warten",
    "Message was removed by another session meanwhile": (
        "Die Nachricht wurde inzwischen von einer anderen Sitzung entfernt"
    ),
    "Deleted messages could not be removed, please try again later": (
        "Gelöschte Nachrichten konnten nicht entfernt werden, bitte später noch einmal versuchen"
    ),
    "Local error, please try again later": "Fehler am Server, bitte später noch einmal versuchen",
    "Too many failed logins: closing the connection": (
        "Zu viele fehlgeschlagene Anmeldungen: die Verbindung wird beendet"
    ),
    "Too many errors: closing the connection": "Zu viele Fehler: die Verbindung wird beendet",
    "Too much input: closing the connection": "Zu viele Eingaben: die Verbindung wird beendet",
    "The server is shutting down: closing the connection": "Der Server wird angehalten: die Verbindung wird beendet",
    "Another session has taken the maildrop: closing the connection": (
        "Eine andere Sitzung hat das Postfach übernommen: die Verbindung wird beendet"
    ),
    "The login is no longer valid: closing the connection": (
        "Die Anmeldung gilt nicht mehr: die Verbindung wird beendet"
    ),
    "Local error: closing the connection": "Fehler am Server: die Verbindung wird beendet",
    "Authentication credentials invalid": "Name oder Passwort ist falsch",
}
"""By the English ones of `answers`."""
