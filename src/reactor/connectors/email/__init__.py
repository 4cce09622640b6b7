"""The connector `email`: messages that come into a mailbox, and messages that are sent."""

from reactor.connectors.email.actions import send
from reactor.connectors.email.connections import IMAP, SMTP
from reactor.connectors.email.trigger import EmailTrigger
from reactor.sdk import Connector

connector = Connector(
    name="email",
    doc="Reads email from a mailbox (IMAP), and sends it through an SMTP server.",
    actions=(send,),
    triggers=(EmailTrigger(),),
    connections=(SMTP, IMAP),
    types={"email.received": "A message has come: from, to, cc, subject, date, text, html, attachments, headers."},
)
