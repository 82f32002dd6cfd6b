"""What a POP3 server says, in Spanish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Done": "Hecho",
    "Now send PASS and the password": "Envíe ahora PASS y la contraseña",
    "Goodbye": "Adiós",
    "Begin TLS now": "Inicie TLS ahora",
    "What this server can do:": "Lo que este servidor sabe hacer:",
    "Ways to log in:": "Formas de iniciar sesión:",
    "UTF-8 it is": "UTF-8 está activado",
    "Languages:": "Idiomas:",
    "English it is": "Desde ahora en español",
    "{} POP3 server ready": "{} servidor POP3 listo",
    "Logged in: {} messages, {} octets": "Sesión iniciada: {} mensajes, {} octetos",
    "{} messages, {} octets": "{} mensajes, {} octetos",
    "{} octets": "{} octetos",
    "Top of the message follows": "Sigue el comienzo del mensaje",
    "Message {} will be deleted at QUIT": "El mensaje {} se borrará con QUIT",
    "Unknown command; CAPA lists what this server can do": (
        "Orden desconocida; CAPA muestra lo que este servidor sabe hacer"
    ),
    "Type a command; CAPA lists what this server can do": (
        "Escriba una orden; CAPA muestra lo que este servidor sabe hacer"
    ),
    "Line too long": "Línea demasiado larga",
    "Command holds control characters or is not UTF-8": "La orden contiene caracteres de control o no es UTF-8",
    "Command takes no argument": "La orden no lleva argumento",
    "Command needs the number of a message, as LIST tells them": (
        "La orden necesita el número de un mensaje, como los da LIST"
    ),
    "Syntax: TOP message-number lines": "Sintaxis: TOP número-de-mensaje líneas",
    "Syntax: USER name": "Sintaxis: USER nombre",
    "Syntax: PASS password": "Sintaxis: PASS contraseña",
    "Syntax: AUTH mechanism [initial-response]": "Sintaxis: AUTH mecanismo [respuesta-inicial]",
    "Log in first: USER name, then PASS password": "Inicie primero la sesión: USER nombre y después PASS contraseña",
    "You are logged in already": "La sesión ya está iniciada",
    "Send USER and the name just before PASS": "Envíe USER y el nombre justo antes de PASS",
    "Passwords are not taken in clear text here: send STLS first, or use the port for TLS": (
        "Aquí no se aceptan contraseñas sin cifrar: envíe primero STLS o use el puerto para TLS"
    ),
    "Passwords are not taken in clear text here, and this server has no TLS": (
        "Aquí no se aceptan contraseñas sin cifrar, y este servidor no tiene TLS"
    ),
    "TLS is not available": "TLS no está disponible",
    "TLS is active already": "TLS ya está activo",
    "Unknown mechanism; CAPA lists those that may be used now": (
        "Mecanismo desconocido; CAPA muestra los que se permiten ahora"
    ),
    "Bad base64: name and password are sent encoded, not as they are": (
        "Base64 incorrecto: el nombre y la contraseña se envían codificados, no tal cual"
    ),
    "Login cancelled": "Inicio de sesión cancelado",
    "No such message": "No existe ese mensaje",
    "Message is marked as deleted; RSET takes the marks away": (
        "El mensaje está marcado para borrar; RSET quita las marcas"
    ),
    "Language is not known here; LANG alone lists those that are": (
        "Ese idioma no se conoce aquí; LANG solo muestra los conocidos"
    ),
    "Too many sessions of this account": "Demasiadas sesiones de esta cuenta",
    "Maildrop is in use by another session": "Otra sesión está usando el buzón",
    "Logged in too recently, please wait": "El último inicio de sesión es muy reciente, espere",
    "Message was removed by another session meanwhile": "Otra sesión quitó entretanto el mensaje",
    "Deleted messages could not be removed, please try again later": (
        "No se pudieron quitar los mensajes borrados, inténtelo más tarde"
    ),
    "Local error, please try again later": "Error del servidor, inténtelo más tarde",
    "Too many failed logins: closing the connection": "Demasiados inicios de sesión fallidos: se cierra la conexión",
    "Too many errors: closing the connection": "Demasiados errores: se cierra la conexión",
    "Too much input: closing the connection": "Demasiados datos: se cierra la conexión",
    "The server is shutting down: closing the connection": "El servidor se detiene: se cierra la conexión",
    "Another session has taken the maildrop: closing the connection": (
        "Otra sesión tomó el buzón: se cierra la conexión"
    ),
    "The login is no longer valid: closing the connection": "La sesión ya no es válida: se cierra la conexión",
    "Local error: closing the connection": "Error del servidor: se cierra la conexión",
    "Authentication credentials invalid": "El nombre o la contraseña no es correcta",
}
"""By the English ones of `answers`."""
