"""Reports in Portuguese, as it is read on both sides of the Atlantic."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.queue.texts.form import Dates, Texts, Wording

PORTUGUESE: Final = Texts(
    failure=Wording(
        subject="A sua mensagem não pôde ser entregue",
        opening=(
            "A sua mensagem {mail} não pôde ser entregue aos destinatários seguintes e não haverá novas tentativas:"
        ),
        ending="Os detalhes técnicos seguem em anexo. Mostre-os ao administrador do seu correio se precisar de ajuda.",
    ),
    delay=Wording(
        subject="A sua mensagem está atrasada",
        opening=(
            "A sua mensagem {mail} ainda não pôde ser entregue aos destinatários seguintes. As tentativas continuam; "
            "isto é apenas um aviso e não é preciso enviá-la de novo:"
        ),
        ending="Será avisado se, no fim, ela não puder ser entregue.",
    ),
    success=Wording(
        subject="A sua mensagem foi transmitida",
        opening="Pediu para saber o que aconteceria à sua mensagem {mail}:",
        ending="Não é preciso fazer mais nada.",
    ),
    admin=Wording(
        subject="Uma mensagem aceite não pôde ser entregue",
        opening=(
            "A mensagem de {sender} {mail} foi aceite, mas não pôde ser entregue aos destinatários seguintes e não "
            "haverá novas tentativas. O remetente não se autenticou aqui, por isso o endereço pode ser falso: "
            "ninguém além de si é avisado."
        ),
        ending="Os detalhes técnicos e o cabeçalho da mensagem seguem em anexo.",
    ),
    greeting="Este é o sistema de correio de {host}.",
    mail="de {date}",
    mail_with_subject="de {date} com o assunto “{subject}”",
    answer="A resposta de {remote} foi:",
    found="O motivo:",
    retried="As tentativas continuam até {date}.",
    done={
        "relayed": (
            "Foi passada a {remote}, que não informa o que lhe acontece depois. "
            "Só voltará a ter notícias dela se algo correr mal nesse servidor."
        ),
        "delivered": "Foi entregue.",
        "expanded": (
            "O endereço representa vários outros. Foi enviada a todos eles; "
            "só voltará a ter notícias dela se algo correr mal."
        ),
    },
    by_status={
        "1.2": "O domínio, a parte depois da @, não existe. Verifique se está bem escrito.",
        "1.3": "O endereço não é válido. Verifique se está bem escrito.",
        "1.6": "O destinatário mudou de endereço e este já não é usado.",
        "1.10": "Esse domínio declara que não aceita correio nenhum. Verifique se está bem escrito.",
        "2.1": "A caixa de correio está fechada. Contacte o destinatário por outro meio.",
        "2.3": "A sua mensagem é grande demais para essa caixa de correio. Envie-a sem anexos grandes.",
        "4.4": (
            "Não foi encontrado nenhum caminho para esse domínio. "
            "Verifique se está bem escrito ou tente de novo mais tarde."
        ),
        "4.6": "A mensagem anda às voltas entre servidores. Um administrador tem de corrigir isso.",
        "4.7": "Tentou-se durante todo o tempo em que o correio é guardado aqui. Pode enviá-la de novo.",
        "6.3": "O outro servidor só aceita texto de 7 bits. Envie a mensagem sem caracteres especiais.",
        "6.7": "O outro servidor não suporta endereços com caracteres além das letras de A a Z.",
    },
    by_kind={
        "throttled": "O outro servidor limita o correio que aceita em certo tempo. Tente de novo mais tarde.",
        "blocked": (
            "O outro servidor não confia no correio deste servidor ou do seu domínio. "
            "Mostre este aviso ao administrador do seu correio."
        ),
        "greylisted": "O outro servidor faz esperar as primeiras mensagens. Está tudo em ordem.",
        "full": "A caixa de correio está cheia. Tente de novo mais tarde ou contacte o destinatário por outro meio.",
        "unknown": "Esse endereço não existe no outro servidor. Verifique se está bem escrito.",
        "content": (
            "O outro servidor não aceita algo na sua mensagem, como um anexo, uma ligação ou a sua forma. "
            "Altere-a ou contacte o destinatário por outro meio."
        ),
        "size": "A sua mensagem é grande demais para o outro servidor. Envie-a sem anexos grandes.",
        "authentication": (
            "O outro servidor não conseguiu verificar se a mensagem vem mesmo do seu domínio. "
            "Mostre este aviso ao administrador do seu correio."
        ),
        "policy": (
            "O outro servidor recusa a sua mensagem por uma regra própria. A resposta dele talvez diga porquê; "
            "se não, contacte o destinatário por outro meio."
        ),
        "tls": (
            "Não foi possível uma ligação segura ao outro servidor. Mostre este aviso ao administrador do seu correio."
        ),
        "unreachable": (
            "Não foi possível contactar o servidor desse domínio. "
            "Verifique se o domínio está bem escrito ou tente de novo mais tarde."
        ),
        "trouble": "O outro servidor tem um problema próprio. Tente de novo mais tarde.",
    },
    dates=Dates(
        "{day} de {month} de {year}, {time} ({zone})",
        (
            "janeiro",
            "fevereiro",
            "março",
            "abril",
            "maio",
            "junho",
            "julho",
            "agosto",
            "setembro",
            "outubro",
            "novembro",
            "dezembro",
        ),
    ),
)
