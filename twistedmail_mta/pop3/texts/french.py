"""What a POP3 server says, in French."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Done": "Fait",
    "Now send PASS and the password": "Envoyez maintenant PASS et le mot de passe",
    "Goodbye": "Au revoir",
    "Begin TLS now": "Commencez TLS maintenant",
    "What this server can do:": "Ce que ce serveur sait faire :",
    "Ways to log in:": "Moyens de se connecter :",
    "UTF-8 it is": "UTF-8 est activé",
    "Languages:": "Langues :",
    "English it is": "Désormais en français",
    "{} POP3 server ready": "{} serveur POP3 prêt",
    "Logged in: {} messages, {} octets": "Connecté : {} messages, {} octets",
    "{} messages, {} octets": "{} messages, {} octets",
    "{} octets": "{} octets",
    "Top of the message follows": "Le début du message suit",
    "Message {} will be deleted at QUIT": "Le message {} sera supprimé à QUIT",
    "Unknown command; CAPA lists what this server can do": (
        "Commande inconnue ; CAPA montre ce que ce serveur sait faire"
    ),
    "Type a command; CAPA lists what this server can do": (
        "Tapez une commande ; CAPA montre ce que ce serveur sait faire"
    ),
    "Line too long": "Ligne trop longue",
    "Command holds control characters or is not UTF-8": (
        "La commande contient des caractères de contrôle ou n'est pas en UTF-8"
    ),
    "Command takes no argument": "La commande ne prend pas d'argument",
    "Command needs the number of a message, as LIST tells them": (
        "La commande demande le numéro d'un message, comme LIST les donne"
    ),
    "Syntax: TOP message-number lines": "Syntaxe : TOP numéro-du-message lignes",
    "Syntax: USER name": "Syntaxe : USER nom",
    "Syntax: PASS password": "Syntaxe : PASS mot-de-passe",
    "Syntax: AUTH mechanism [initial-response]": "Syntaxe : AUTH mécanisme [réponse-initiale]",
    "Log in first: USER name, then PASS password": "Connectez-vous d'abord : USER nom, puis PASS mot-de-passe",
    "You are logged in already": "Vous êtes déjà connecté",
    "Send USER and the name just before PASS": "Envoyez USER et le nom juste avant PASS",
    "Passwords are not taken in clear text here: send STLS first, or use the port for TLS": (
        "Les mots de passe ne sont pas acceptés en clair ici : envoyez d'abord STLS, ou utilisez le port pour TLS"
    ),
    "Passwords are not taken in clear text here, and this server has no TLS": (
        "Les mots de passe ne sont pas acceptés en clair ici, et ce serveur n'a pas TLS"
    ),
    "TLS is not available": "TLS n'est pas disponible",
    "TLS is active already": "TLS est déjà actif",
    "Unknown mechanism; CAPA lists those that may be used now": (
        "Mécanisme inconnu ; CAPA montre ceux qui sont permis maintenant"
    ),
    "Bad base64: name and password are sent encoded, not as they are": (
        "Base64 incorrect : le nom et le mot de passe s'envoient codés, non tels quels"
    ),
    "Login cancelled": "Connexion annulée",
    "No such message": "Ce message n'existe pas",
    "Message is marked as deleted; RSET takes the marks away": (
        "Le message est marqué comme supprimé ; RSET enlève les marques"
    ),
    "Language is not known here; LANG alone lists those that are": (
        "Cette langue n'est pas connue ici ; LANG seul montre celles qui le sont"
    ),
    "Too many sessions of this account": "Trop de sessions de ce compte",
    "Maildrop is in use by another session": "La boîte est utilisée par une autre session",
    "Logged in too recently, please wait": "Dernière connexion trop récente, veuillez patienter",
    "Message was removed by another session meanwhile": "Le message a été enlevé entre-temps par une autre session",
    "Deleted messages could not be removed, please try again later": (
        "Les messages supprimés n'ont pas pu être enlevés, réessayez plus tard"
    ),
    "Local error, please try again later": "Erreur du serveur, réessayez plus tard",
    "Too many failed logins: closing the connection": "Trop de connexions échouées : fin de la communication",
    "Too many errors: closing the connection": "Trop d'erreurs : fin de la communication",
    "Too much input: closing the connection": "Trop de données : fin de la communication",
    "The server is shutting down: closing the connection": "Le serveur s'arrête : fin de la communication",
    "Another session has taken the maildrop: closing the connection": (
        "Une autre session a pris la boîte : fin de la communication"
    ),
    "The login is no longer valid: closing the connection": "La connexion n'est plus valable : fin de la communication",
    "Local error: closing the connection": "Erreur du serveur : fin de la communication",
    "Authentication credentials invalid": "Nom ou mot de passe incorrect",
}
"""By the English ones of `answers`."""
