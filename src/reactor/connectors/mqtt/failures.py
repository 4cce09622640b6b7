"""What brokers say when they refuse, in sentences that tell what to do."""

from __future__ import annotations

from reactor.sdk import PermanentError, StepError, TransientError

# MQTT 5 §2.4 (and what Paho makes of the six codes of MQTT 3.1.1 §3.2.2.3).
_CONNACK = {
    0x81: ("mqtt.protocol", "could not read our CONNECT; is it a broker of MQTT?"),
    0x82: ("mqtt.protocol", "says that our CONNECT breaks the protocol; try the other `version`"),
    0x84: ("mqtt.version", "does not speak this version of MQTT; set `version` of the connection: 5 or 3.1.1"),
    0x85: ("mqtt.client_id", "does not allow the client id {client!r}; give the trigger another `client_id`"),
    0x86: ("mqtt.auth", "refuses the user name or password; correct `user` and `password` of the connection"),
    0x87: ("mqtt.auth", "does not let us in (not authorised); give the connection a `user` and `password` that may"),
    0x88: ("mqtt.unavailable", "is not available now"),
    0x89: ("mqtt.unavailable", "is busy"),
    0x8A: ("mqtt.auth", "has banned this client; ask its administrator"),
    0x8C: ("mqtt.auth", "wants another way of authentication than user and password"),
    0x95: ("mqtt.protocol", "says that our CONNECT is too large"),
    0x97: ("mqtt.quota", "says that a quota is exceeded"),
    0x9C: ("mqtt.moved", "says to use another server; correct the `url` of the connection"),
    0x9D: ("mqtt.moved", "has moved; correct the `url` of the connection"),
    0x9F: ("mqtt.unavailable", "says that we connect too often"),
}
_PASSING = frozenset({0x88, 0x89, 0x97, 0x9F})
_SUBACK = {
    0x80: "perhaps this user may not read it, or the filter is not allowed",
    0x83: "an implementation specific reason",
    0x87: "this user may not read it (not authorised): give it the right, or use another connection",
    0x8F: "the filter is not valid for this broker",
    0x91: "its packet ids are used up",
    0x97: "a quota is exceeded",
    0x9E: "it has no shared subscriptions: leave `shared` out",
    0xA1: "it has no subscription identifiers",
    0xA2: "it allows no wildcards: name the topics",
}
_DISCONNECT = {
    0x81: "could not read a packet of ours",
    0x87: "no longer lets us in (not authorised)",
    0x89: "is busy",
    0x8B: "is shutting down",
    0x8D: "had heard nothing from us for too long",
    0x8E: "gave our session to another client with the same client id {client!r}: every client needs one of its own; "
    "stop the other, or give the trigger another `client_id`",
    0x8F: "does not allow a topic filter of ours",
    0x90: "does not allow a topic of ours",
    0x93: "says that more is in flight than it allows",
    0x95: "says that a packet of ours is too large",
    0x96: "says that we send too much",
    0x97: "says that a quota is exceeded",
    0x98: "has an administrator who ended the connection",
    0x99: "does not find the payload in the format that is said",
    0x9A: "has no retained messages",
    0x9B: "does not offer this QoS",
    0x9C: "says to use another server",
    0x9D: "has moved",
    0x9E: "has no shared subscriptions: leave `shared` out",
    0x9F: "says that we connect too often",
    0xA0: "allows no connection that lasts so long",
    0xA2: "allows no wildcards: name the topics",
}
_PUBLISH = {
    0x80: "an unnamed reason",
    0x83: "an implementation specific reason",
    0x87: "this user may not write there (not authorised)",
    0x90: "the topic is not allowed",
    0x97: "a quota is exceeded",
    0x99: "the payload is not in the format that is said",
}


def refused_connect(address: str, client: str, code: int, name: str) -> StepError:
    """A CONNACK that says no."""
    kind, text = _CONNACK.get(code, ("mqtt.refused", f"refuses the connection: {name} (0x{code:02x})"))
    message = f"the broker {address} {text.format(client=client)}"
    return TransientError(kind, message) if code in _PASSING else PermanentError(kind, message)


def refused_subscribe(address: str, topic: str, code: int, name: str) -> StepError:
    """A SUBACK that says no."""
    why = _SUBACK.get(code, f"{name} (0x{code:02x})")
    return PermanentError("mqtt.refused", f"the broker {address} refuses the subscription to {topic!r}: {why}")


def refused_publish(address: str, topic: str, code: int, name: str) -> StepError:
    """A PUBACK, PUBREC or PUBCOMP that says no."""
    why = _PUBLISH.get(code, f"{name} (0x{code:02x})")
    message = f"the broker {address} refuses the message to {topic!r}: {why}"
    return TransientError("mqtt.quota", message) if code in _PASSING else PermanentError("mqtt.refused", message)


def ended(address: str, client: str, code: int, name: str) -> StepError:
    """A DISCONNECT of the broker."""
    text = _DISCONNECT.get(code, f"ended the connection: {name} (0x{code:02x})")
    return TransientError("mqtt.connection", f"the broker {address} {text.format(client=client)}")


def closed(address: str, client: str) -> StepError:
    """The connection is gone without a word."""
    return TransientError(
        "mqtt.connection",
        f"the connection to the broker {address} is closed; it stopped, the network broke, or another client came with "
        f"the same client id {client!r}",
    )


def hung_up(address: str) -> StepError:
    """It closed before it said anything."""
    return TransientError(
        "mqtt.connection",
        f"the broker {address} closed the connection before it answered; does this port speak MQTT, with or without "
        "TLS as the `url` says, or does it want a certificate of ours (`tls.cert`)?",
    )


def silent(address: str, seconds: float) -> StepError:
    """It does not answer though TCP is open."""
    return TransientError(
        "mqtt.timeout", f"the broker {address} has not answered for {seconds:g} s; is it stuck, or the network gone?"
    )


def unreachable(address: str, error: BaseException) -> StepError:
    """No connection at all."""
    why = str(error) or type(error).__name__
    return TransientError(
        "mqtt.connection", f"the broker {address} cannot be reached: {why}; is it up, and is the `url` right?"
    )


def untrusted(address: str, error: BaseException) -> StepError:
    """TLS failed."""
    why = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error) or type(error).__name__
    return PermanentError(
        "mqtt.tls",
        f"no TLS with the broker {address}: {why}; set `tls.ca` of the connection to the certificate to trust, and "
        "check that this port speaks TLS",
    )
