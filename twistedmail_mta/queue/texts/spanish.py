"""Reports in Spanish."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.queue.texts.form import Dates, Texts, Wording

SPANISH: Final = Texts(
    failure=Wording(
        subject="Su mensaje no se ha podido entregar",
        opening=(
            "Su mensaje {mail} no se ha podido entregar a los siguientes destinatarios y no se volverá a intentar:"
        ),
        ending="Se adjuntan los detalles técnicos. Muéstrelos al administrador de su correo si necesita ayuda.",
    ),
    delay=Wording(
        subject="Su mensaje se está retrasando",
        opening=(
            "Su mensaje {mail} todavía no se ha podido entregar a los siguientes destinatarios. Se seguirá intentando; "
            "esto es solo un aviso y no hace falta que lo envíe de nuevo:"
        ),
        ending="Se le avisará si al final no se puede entregar.",
    ),
    success=Wording(
        subject="Su mensaje se ha transmitido",
        opening="Usted pidió que se le informara de lo que ocurriera con su mensaje {mail}:",
        ending="No hace falta que haga nada más.",
    ),
    admin=Wording(
        subject="Un mensaje aceptado no se ha podido entregar",
        opening=(
            "El mensaje de {sender} {mail} fue aceptado, pero no se ha podido entregar a los siguientes destinatarios "
            "y no se volverá a intentar. Su remitente no se identificó aquí, por lo que la dirección puede ser falsa: "
            "no se avisa a nadie más que a usted."
        ),
        ending="Se adjuntan los detalles técnicos y la cabecera del mensaje.",
    ),
    greeting="Este es el sistema de correo de {host}.",
    mail="del {date}",
    mail_with_subject="del {date} con el asunto «{subject}»",
    answer="La respuesta de {remote} fue:",
    found="El motivo:",
    retried="Se intentará hasta el {date}.",
    done={
        "relayed": (
            "Se ha pasado a {remote}, que no informa de lo que ocurre después. "
            "Solo volverá a saber de él si algo falla allí."
        ),
        "delivered": "Se ha entregado.",
        "expanded": (
            "La dirección representa a varias otras. Se ha enviado a todas ellas; "
            "solo volverá a saber de él si algo falla."
        ),
    },
    by_status={
        "1.2": "El dominio, lo que sigue a la @, no existe. Compruebe si está bien escrito.",
        "1.3": "La dirección no es válida. Compruebe si está bien escrita.",
        "1.6": "El destinatario ha cambiado de dirección y esta ya no se usa.",
        "1.10": "Ese dominio declara que no acepta ningún correo. Compruebe si está bien escrito.",
        "2.1": "El buzón está cerrado. Póngase en contacto con el destinatario por otro medio.",
        "2.3": "Su mensaje es demasiado grande para ese buzón. Envíelo sin archivos adjuntos grandes.",
        "4.4": (
            "No se ha encontrado ningún camino hacia ese dominio. Compruebe si está bien escrito o inténtelo más tarde."
        ),
        "4.6": "El mensaje da vueltas sin fin entre servidores. Un administrador tiene que corregirlo.",
        "4.7": "Se ha intentado durante todo el tiempo que el correo se guarda aquí. Puede enviarlo de nuevo.",
        "6.3": "El otro servidor solo acepta texto de 7 bits. Envíe el mensaje sin caracteres especiales.",
        "6.7": "El otro servidor no admite direcciones con caracteres distintos de las letras de la A a la Z.",
    },
    by_kind={
        "throttled": "El otro servidor limita cuánto correo acepta en un tiempo dado. Inténtelo de nuevo más tarde.",
        "blocked": (
            "El otro servidor no se fía del correo de este servidor o de su dominio. "
            "Muestre este aviso al administrador de su correo."
        ),
        "greylisted": "El otro servidor hace esperar los primeros mensajes. Todo está en orden.",
        "full": (
            "El buzón está lleno. "
            "Inténtelo de nuevo más tarde o póngase en contacto con el destinatario por otro medio."
        ),
        "unknown": "Esa dirección no existe en el otro servidor. Compruebe si está bien escrita.",
        "content": (
            "Algo en su mensaje no le gusta al otro servidor, por ejemplo un archivo adjunto, un enlace o su forma. "
            "Cámbielo o póngase en contacto con el destinatario por otro medio."
        ),
        "size": "Su mensaje es demasiado grande para el otro servidor. Envíelo sin archivos adjuntos grandes.",
        "authentication": (
            "El otro servidor no ha podido comprobar que el mensaje procede realmente de su dominio. "
            "Muestre este aviso al administrador de su correo."
        ),
        "policy": (
            "El otro servidor rechaza su mensaje por una norma propia. Puede que su respuesta diga por qué; "
            "si no, póngase en contacto con el destinatario por otro medio."
        ),
        "tls": (
            "No ha sido posible una conexión segura con el otro servidor. "
            "Muestre este aviso al administrador de su correo."
        ),
        "unreachable": (
            "No se ha podido contactar con el servidor de ese dominio. "
            "Compruebe si el dominio está bien escrito o inténtelo más tarde."
        ),
        "trouble": "El otro servidor tiene un problema propio. Inténtelo de nuevo más tarde.",
    },
    dates=Dates(
        "{day} de {month} de {year}, {time} ({zone})",
        (
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ),
    ),
)
