"""What a POP3 server says, in Portuguese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Done": "Feito",
    "Now send PASS and the password": "Envie agora PASS e a senha",
    "Goodbye": "Até logo",
    "Begin TLS now": "Inicie TLS agora",
    "What this server can do:": "O que este servidor sabe fazer:",
    "Ways to log in:": "Formas de iniciar sessão:",
    "UTF-8 it is": "UTF-8 está ativado",
    "Languages:": "Idiomas:",
    "English it is": "A partir de agora em português",
    "{} POP3 server ready": "{} servidor POP3 pronto",
    "Logged in: {} messages, {} octets": "Sessão iniciada: {} mensagens, {} octetos",
    "{} messages, {} octets": "{} mensagens, {} octetos",
    "{} octets": "{} octetos",
    "Top of the message follows": "Segue o começo da mensagem",
    "Message {} will be deleted at QUIT": "A mensagem {} será apagada com QUIT",
    "Unknown command; CAPA lists what this server can do": (
        "Comando desconhecido; CAPA mostra o que este servidor sabe fazer"
    ),
    "Type a command; CAPA lists what this server can do": (
        "Digite um comando; CAPA mostra o que este servidor sabe fazer"
    ),
    "Line too long": "Linha longa demais",
    "Command holds control characters or is not UTF-8": "O comando contém caracteres de controle ou não é UTF-8",
    "Command takes no argument": "O comando não leva argumento",
    "Command needs the number of a message, as LIST tells them": (
        "O comando precisa do número de uma mensagem, como LIST os dá"
    ),
    "Syntax: TOP message-number lines": "Sintaxe: TOP número-da-mensagem linhas",
    "Syntax: USER name": "Sintaxe: USER nome",
    "Syntax: PASS password": "Sintaxe: PASS senha",
    "Syntax: AUTH mechanism [initial-response]": "Sintaxe: AUTH mecanismo [resposta-inicial]",
    "Log in first: USER name, then PASS password": "Inicie primeiro a sessão: USER nome e depois PASS senha",
    "You are logged in already": "A sessão já está iniciada",
    "Send USER and the name just before PASS": "Envie USER e o nome logo antes de PASS",
    "Passwords are not taken in clear text here: send STLS first, or use the port for TLS": (
        "Aqui não se aceitam senhas sem cifra: envie primeiro STLS ou use a porta para TLS"
    ),
    "Passwords are not taken in clear text here, and this server has no TLS": (
        "Aqui não se aceitam senhas sem cifra, e este servidor não tem TLS"
    ),
    "TLS is not available": "TLS não está disponível",
    "TLS is active already": "TLS já está ativo",
    "Unknown mechanism; CAPA lists those that may be used now": (
        "Mecanismo desconhecido; CAPA mostra os que são permitidos agora"
    ),
    "Bad base64: name and password are sent encoded, not as they are": (
        "Base64 incorreto: o nome e a senha são enviados codificados, não tais quais"
    ),
    "Login cancelled": "Início de sessão cancelado",
    "No such message": "Essa mensagem não existe",
    "Message is marked as deleted; RSET takes the marks away": (
        "A mensagem está marcada para apagar; RSET tira as marcas"
    ),
    "Language is not known here; LANG alone lists those that are": (
        "Esse idioma não é conhecido aqui; LANG sozinho mostra os conhecidos"
    ),
    "Too many sessions of this account": "Sessões demais desta conta",
    "Maildrop is in use by another session": "Outra sessão está usando a caixa",
    "Logged in too recently, please wait": "O último início de sessão é muito recente, aguarde",
    "Message was removed by another session meanwhile": "Outra sessão removeu a mensagem entretanto",
    "Deleted messages could not be removed, please try again later": (
        "Não foi possível remover as mensagens apagadas, tente mais tarde"
    ),
    "Local error, please try again later": "Erro do servidor, tente mais tarde",
    "Too many failed logins: closing the connection": "Inícios de sessão falhos demais: a conexão é encerrada",
    "Too many errors: closing the connection": "Erros demais: a conexão é encerrada",
    "Too much input: closing the connection": "Dados demais: a conexão é encerrada",
    "The server is shutting down: closing the connection": "O servidor está parando: a conexão é encerrada",
    "Another session has taken the maildrop: closing the connection": (
        "Outra sessão tomou a caixa: a conexão é encerrada"
    ),
    "The login is no longer valid: closing the connection": "A sessão já não é válida: a conexão é encerrada",
    "Local error: closing the connection": "Erro do servidor: a conexão é encerrada",
    "Authentication credentials invalid": "O nome ou a senha está incorreta",
}
"""By the English ones of `answers`."""
