"""The words by which foreign tables are understood: names of columns, and values.

English, German, French and Spanish. Names are compared after :func:`plain`: lower case,
without accents, in words (``"CustomerID"`` is ``"customer id"``). Earlier names win.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

__all__ = [
    "AFTERWARDS",
    "AMOUNT",
    "CURRENCIES",
    "ID_ENDS",
    "INVOLUNTARY",
    "LEFT",
    "LEVELS",
    "METRICS",
    "NAMES",
    "NO_ANSWER",
    "OUTCOME",
    "OVERALL",
    "PERSONAL",
    "RATING",
    "STAYED",
    "UNITS",
    "ends_in",
    "has_word",
    "likeness",
    "plain",
]


def _parted(text: str) -> list[str]:
    """Read words parted by a bar."""
    return text.split("|")


NAMES: dict[str, tuple[str, ...]] = {
    role: tuple(n.strip() for n in names.split(","))
    for role, names in {
        "customer_id": "customer id, customer no, customer number, customer nr, customer, "
        "cust id, cust no, customer key, client id, client no, client, user id, user, uid, "
        "account id, account no, account number, member id, subscriber id, visitor id, "
        "buyer id, msisdn, respondent id, respondent, kundennummer, kundennr, kunden nr, "
        "kunden id, kunden no, kdnr, kd nr, kunde, mitgliedsnummer, mitglied, nutzer id, "
        "nutzer, id client, numero client, no client, code client, abonne, id cliente, "
        "cliente id, numero cliente, codigo cliente, cliente, abonado, socio, usuario, "
        "id usuario, requester id, requester, client num, clientnum, customer num, cust num, "
        "subscriber, company id, organization id, person id, record id, id, email, "
        "email address, customer email, e mail, rownames",
        "started_at": "started at, start date, started, start, signup date, signup at, signup, "
        "sign up date, signed up at, signed up, created at, created, creation date, "
        "registered at, registration date, registered, joined at, join date, joined, "
        "joining date, create date, subscription start, subscription start date, contract start, "
        "activation date, activated at, customer since, member since, vertragsbeginn, beginn, "
        "startdatum, start am, anmeldedatum, anmeldung, registriert am, kunde seit, "
        "eintrittsdatum, eintritt, aktivierung, date debut, debut, date inscription, "
        "inscription, date creation, client depuis, date souscription, fecha alta, alta, "
        "fecha inicio, inicio, fecha registro, cliente desde",
        "ended_at": "ended at, end date, ended, end, churn date, churned at, churned on, "
        "contract end, contract end date, subscription end, subscription end date, closed at, "
        "closed on, closing date, deactivated at, termination date, terminated at, left at, "
        "exit date, leave date, vertragsende, ende, enddatum, austrittsdatum, austritt, "
        "abmeldung, beendet am, date fin, fin, date depart, depart, fecha baja, baja, "
        "fecha fin",
        "cancelled_at": "cancelled at, canceled at, cancelled on, canceled on, "
        "cancellation date, cancelation date, cancel date, notice date, notice given, "
        "kundigungsdatum, kuendigungsdatum, gekundigt am, gekuendigt am, kundigung, "
        "kuendigung, date resiliation, resiliation, fecha cancelacion, cancelacion",
        "end_reason": "end reason, churn reason, cancel reason, cancellation reason, "
        "leave reason, termination reason, churn category, kundigungsgrund, kuendigungsgrund, "
        "motif resiliation, motif depart, motivo baja, motivo cancelacion",
        "renewal_days": "",
        "renews_at": "",  # dates called like it may be any: they change who can leave, and when
        "monthly_value": "monthly value, monthly charges, monthly charge, monthly fee, "
        "monthly revenue, monthly price, monthly amount, monthly recurring revenue, mrr, arpu, "
        "monatsbeitrag, monatspreis, monatsgebuhr, monatsgebuehr, grundgebuhr, grundgebuehr, "
        "monatlicher umsatz, monatsumsatz, prix mensuel, mensualite, montant mensuel, "
        "cuota mensual, precio mensual, importe mensual, cuota, plan price, price, fee, "
        "beitrag, tarif, tarifa",
        "tenure": "tenure, tenure months, tenure in months, tenure days, months active, "
        "active months, days active, account length, account age, customer age months, "
        "months on book, months as customer, years as customer, customer lifetime, "
        "years at company, vertragsdauer, kundendauer, laufzeit, vertragslaufzeit, "
        "dauer monate, anciennete, duree, duree contrat, antiguedad, permanencia, "
        "meses activo, duration, lifetime, months, time",
        "churned": "churned, churn, churn flag, churn label, churn value, is churn, "
        "is churned, has churned, attrition, attrition flag, exited, left, has left, "
        "cancelled, canceled, is cancelled, terminated, closed, gekundigt, gekuendigt, "
        "attrited, abgewandert, abwanderung, resilie, desabonne, baja, abandono, fuga, "
        "customer status, account status, kundenstatus, statut client, estado cliente, status",
        "occurred_at": "occurred at, event time, event ts, event at, event timestamp, "
        "timestamp, event date, datetime, date time, contact date, contact at, contact time, "
        "call date, interaction date, visited at, visit date, opened at, order date, ordered at, "
        "purchase date, invoice date, transaction date, created at, date, day, time, ts, "
        "zeitpunkt, zeitstempel, kontaktdatum, kontakt am, bestelldatum, kaufdatum, "
        "rechnungsdatum, datum, horodatage, date contact, date commande, date achat, "
        "fecha hora, fecha contacto, fecha pedido, fecha compra, fecha",
        "touchpoint": "touchpoint, touch point, event name, event type, event, interaction type, "
        "interaction, contact reason, contact type, action, activity, activity name, "
        "page name, page, topic, category, step, service, type, reason, kontaktpunkt, ereignis, "
        "anliegen, kontaktgrund, aktion, seite, kategorie, vorgang, art, point de contact, "
        "evenement, motif, motif contact, categorie, punto de contacto, evento, accion, "
        "motivo, categoria, tipo, concept name, issue type, request type, ticket type, queue, "
        "ticket group, group name, group",
        "channel": "channel, contact channel, medium, platform, device, kanal, kontaktkanal, "
        "canal, plattform, plateforme, plataforma, via channel, via",
        "outcome": "outcome, result, success, successful, is success, solved, resolved, "
        "is resolved, issue resolved, status, ergebnis, erfolg, erfolgreich, gelost, geloest, "
        "resultat, succes, resolu, resultado, exito, resuelto",
        "response_seconds": "response seconds, response time, first response time, wait time, "
        "first reply time, reply time, "
        "waiting time, wait seconds, wait, speed of answer, wartezeit, antwortzeit, "
        "temps attente, temps de reponse, tiempo espera, tiempo respuesta",
        "handle_seconds": "handle seconds, handle time, handling time, aht, call duration, "
        "talk time, talk duration, bearbeitungszeit, gesprachsdauer, gespraechsdauer, "
        "duree appel, duracion llamada",
        "resolved_at": "resolved at, resolution date, resolved on, solved at, closed at, "
        "resolution time, gelost am, geloest am, date resolution, fecha resolucion",
        "due_at": "due at, due date, due, sla due, fallig am, faellig am, date echeance, "
        "fecha limite",
        "journey_id": "journey id, session id, session, visit id, case id, journey, sitzung, "
        "session nr, id sesion, id session",
        "interaction_id": "interaction id, event id, contact id, ticket id, ticket no, ticket, "
        "call id, order id, order no, order number, invoice no, invoice id, invoice, "
        "transaction id, name, kontakt id, bestellnummer, rechnungsnummer, ticketnummer, "
        "id contact, numero commande, id commande, id pedido, numero pedido, id contacto",
        "value": "value, order value, amount, total, total amount, revenue, sales, dollar value, "
        "price total, order total, spend, betrag, umsatz, summe, bestellwert, montant, "
        "chiffre affaires, importe, valor, monto, ventas",
        "text": "text, message, note, notes, description, ticket text, body, call note, "
        "notiz, nachricht, beschreibung, texte, texto, mensaje, descripcion",
        "score": "score, rating, nps score, csat score, ces score, nps, csat, ces, satisfaction, "
        "satisfaction score, stars, answer, bewertung, punkte, zufriedenheit, note, "
        "evaluation, puntuacion, calificacion, satisfaccion, valoracion",
        "metric": "metric, kpi, survey type, question, survey, kennzahl, frage, umfrage, "
        "indicateur, metrique, enquete, metrica, pregunta, encuesta",
        "asked_at": "asked at, sent at, invited at, survey sent at, survey date, gesendet am, "
        "umfragedatum, befragt am, envoye le, enviado",
        "responded_at": "responded at, response date, answered at, answer date, submitted at, "
        "completed at, response timestamp, beantwortet am, antwortdatum, date reponse, "
        "fecha respuesta, date, timestamp, datum, fecha, created at, end date",
        "comment": "comment, comments, feedback, verbatim, remark, kommentar, bemerkung, "
        "commentaire, comentario",
        "response_id": "response id, answer id, survey id, antwort id, id reponse, id respuesta",
        "stage": "stage, journey stage, phase, etape, etapa",
        "owner": "owner, team, department, verantwortlich, abteilung, responsable",
        "fix_cost": "fix cost, cost, kosten, cout, costo, coste",
        "intervention": "intervention, measure, change, project, massnahme, mesure, medida",
        "scope_column": "scope column",
        "scope_value": "scope value",
    }.items()
}
"""The contract's column -> names it goes by elsewhere."""

# A value's amount and its parts, for lines of orders.
AMOUNT = {
    "quantity": ("quantity", "qty", "units", "menge", "anzahl", "quantite", "cantidad"),
    "price": ("unit price", "price", "stuckpreis", "einzelpreis", "prix unitaire", "precio"),
}

LEFT = frozenset(
    _parted(
        "1|1.0|true|t|yes|y|ja|j|oui|o|si|s|churn|churned|left|exited|cancelled|canceled|attrited|"
        "attrited customer|closed|inactive|terminated|gone|gekundigt|gekuendigt|abgewandert|"
        "inaktiv|resilie|parti|inactif|baja|inactivo|abandono|cancelado"
    )
)
STAYED = frozenset(
    _parted(
        "0|0.0|false|f|no|n|nein|non|not churned|no churn|stayed|joined|active|existing|"
        "existing customer|retained|open|current|aktiv|bestand|actif|reste|activo|alta"
    )
)
INVOLUNTARY = (
    *("involuntary", "payment", "card", "fraud", "deceased", "death", "non pay", "unpaid"),
    *("zahlung", "verstorben", "betrug", "deces", "fraude", "impaye", "fallecido", "impago"),
)
OUTCOME = {
    **dict.fromkeys(
        _parted(
            "ok|success|successful|succeeded|solved|resolved|yes|y|true|1|1.0|completed|complete|"
            "done|fixed|delivered|accepted|passed|good|positive|answered|fcr|closed|gelost|geloest|"
            "succes|erfolg|erfolgreich|erledigt|ja|zugestellt|gut|oui|resolu|reussi|livre|si|exito|"
            "resuelto|entregado|completado"
        ),
        "ok",
    ),
    **dict.fromkeys(
        _parted(
            "failed|fail|failure|error|unsolved|unresolved|not solved|not resolved|no|n|false|"
            "0|0.0|abandoned|aborted|rejected|timeout|timed out|bad|negative|missed|dropped|"
            "escalated|"
            "returned|late|lost|nicht gelost|nicht geloest|ungelost|fehler|fehlgeschlagen|"
            "abgebrochen|nein|gescheitert|schlecht|non|echec|echoue|non resolu|erreur|"
            "fallo|fallido|no resuelto|sin resolver"
        ),
        "failed",
    ),
}

LEVELS: tuple[tuple[str, ...], ...] = tuple(
    tuple(level.strip() for level in scale.split("<"))
    for scale in (
        "bad < good",
        "very low < low < medium < high < very high",
        "low < medium < high < very high",
        "bad < good < better < best",
        "very bad < bad < fair < good < very good",
        "very poor < poor < fair < good < very good < excellent",
        "poor < average < good < very good < excellent",
        "low < good < excellent < outstanding",
        "very dissatisfied < dissatisfied < neutral < satisfied < very satisfied",
        "very unsatisfied < unsatisfied < neutral < satisfied < very satisfied",
        "very dissatisfied < somewhat dissatisfied < neither satisfied nor dissatisfied < "
        "somewhat satisfied < very satisfied",
        "strongly disagree < disagree < neutral < agree < strongly agree",
        "strongly disagree < disagree < neither agree nor disagree < agree < strongly agree",
        "very difficult < difficult < neutral < easy < very easy",
        "sehr unzufrieden < unzufrieden < neutral < zufrieden < sehr zufrieden",
        "sehr schlecht < schlecht < mittel < gut < sehr gut",
        "tres insatisfait < insatisfait < neutre < satisfait < tres satisfait",
        "muy insatisfecho < insatisfecho < neutral < satisfecho < muy satisfecho",
        "muy malo < malo < regular < bueno < muy bueno",
    )
)
"""Answers in words, lowest first."""

NO_ANSWER = {"offered", "not offered", "unoffered", "no answer", "not applicable", "don t know"}

METRICS = {
    "nps": ("nps", "recommend", "recommendation", "empfehlen", "weiterempfehlung", "recommander",
            "recomendar"),
    "ces": ("ces", "effort", "ease", "easy", "aufwand", "facilite", "esfuerzo"),
    "csat": ("csat",),
}  # fmt: skip
RATING = (
    *("satisfaction", "satisfied", "rating", "rate", "score", "stars", "quality", "experience"),
    *("involvement", "balance", "trust", "service", "comfort", "convenience", "cleanliness"),
    *("friendliness", "helpfulness", "zufriedenheit", "bewertung", "qualitat", "qualitaet"),
    *("qualite", "calidad", "satisfaccion", "atencion", "accueil", *METRICS["nps"]),
    *(*METRICS["ces"], *METRICS["csat"]),
)
OVERALL = ("overall", "general", "gesamt", "insgesamt", "globale", "global", *METRICS["nps"])

AFTERWARDS = (
    *("churn", "churned", "attrition", "cancel", "cancelled", "canceled", "cancellation"),
    *("termination", "terminated", "exit", "kundigung", "kuendigung", "gekundigt", "gekuendigt"),
    *("kundigungsgrund", "kuendigungsgrund", "resiliation", "baja", "cancelacion", "lifecycle"),
)
"""Words in the names of what may have been written down only once a customer had left."""

PERSONAL = (
    *("email", "e mail", "mail", "phone number", "mobile", "first name", "last name", "surname"),
    *("full name", "customer name", "user name", "username", "name", "address", "street", "iban"),
    *("birth date", "date of birth", "birthdate", "telefon", "telefonnummer", "handy", "vorname"),
    *("nachname", "adresse", "strasse", "geburtsdatum", "prenom", "nom", "telephone", "nombre"),
    *("apellido", "apellidos", "direccion", "telefono", "correo", "ip", "ip address"),
)

CURRENCIES = {
    **{"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "usd": "USD", "eur": "EUR", "gbp": "GBP"},
    **{"chf": "CHF", "dollar": "USD", "dollars": "USD", "euro": "EUR", "euros": "EUR"},
    **{"pound": "GBP", "pounds": "GBP"},
}

ID_ENDS = (" id", " no", " nr", " key", " number", " nummer", " uuid", " guid")
"""How names of identifiers end."""

UNITS = {
    "days": ("days", "day", "tage", "tagen", "jours", "dias"),
    "weeks": ("weeks", "week", "wochen", "semaines", "semanas"),
    "months": ("months", "month", "monate", "monaten", "mois", "meses"),
    "years": ("years", "year", "jahre", "jahren", "ans", "annees", "anos"),
}


def plain(text: str) -> str:
    """Bring a name or a value to the form in which it is compared.

    Parameters
    ----------
    text : str
        As the file has it, such as ``"CustomerID"`` or ``"Kündigung am"``.
    """
    bare = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    bare = "".join(c for c in bare if not unicodedata.combining(c))
    bare = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", bare)
    return " ".join(re.findall(r"\d+\.\d+|[a-z0-9]+", bare.lower()))


def has_word(name: str, words: Iterable[str]) -> bool:
    """Tell whether a name, once plain, holds one of some words or phrases.

    Parameters
    ----------
    name : str
        As the file has it.
    words : iterable of str
        Plain words.
    """
    held = f" {plain(name)} "
    return any(f" {w} " in held for w in words)


def ends_in(name: str, words: Iterable[str]) -> bool:
    """Tell whether a name, once plain, ends in one of some words or phrases.

    Parameters
    ----------
    name : str
        As the file has it.
    words : iterable of str
        Plain words.
    """
    return f" {plain(name)}".endswith(tuple(f" {w}" for w in words))


def likeness(role: str, name: str) -> float:
    """Tell how much a name is like those of a role: 2 to 1 known, below 1 in part, 0 not.

    Parameters
    ----------
    role : str
        One of :data:`NAMES`.
    name : str
        As the file has it.
    """
    known, own = NAMES[role], plain(name)
    if own.replace(" ", "_") == role:
        return 3.0
    squeezed = own.replace(" ", "")
    for place, other in enumerate(known):
        if squeezed == other.replace(" ", ""):
            return 2.0 - place / len(known)
    held = f" {own} "
    if role.endswith("_id") and not own.endswith(ID_ENDS):
        return 0.0  # minutes_customer_support names nobody
    for place, other in enumerate(known):
        # A short word stands for too much when it is only a part of a name.
        if len(other) > 4 and f" {other} " in held:
            return 0.9 - 0.8 * place / len(known)
    return 0.0
