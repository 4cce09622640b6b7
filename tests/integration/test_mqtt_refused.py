"""MQTT triggers and steps that are refused, or meet what is no broker: red, with one sentence that says what to do."""

from __future__ import annotations

import asyncio
import time

import pytest

from reactor.model.errors import PermanentError, StepError, TransientError
from reactor.testing.servers import Mosquitto, certificate_files, free_port
from tests.integration.mqtt_kit import VERSIONS, Scripted, armed, bench, came, inspected, lost, step

both = pytest.mark.parametrize("version", VERSIONS)
USERS = {"ann": "right", "bob": "also right"}
ACL = "user ann\ntopic readwrite #\n\nuser bob\ntopic read open/#\n"
OK5, OK3 = b"\x20\x03\x00\x00\x00", b"\x20\x02\x00\x00"
PONG = b"\xd0\x00"


@pytest.fixture(scope="module")
def certificates():
    return certificate_files()


@pytest.fixture(scope="module")
def guarded(certificates):
    with Mosquitto(
        {"autosave_on_changes": "false"}, users=USERS, acl=ACL, certificates=certificates, websockets=True
    ) as running:
        yield running


@both
async def test_a_wrong_password(guarded, version):
    for settings in ({"user": "ann", "password": "wr0ng"}, {"user": "eve", "password": "x"}, {}):
        async with (made := bench(guarded.url(), settings={"version": version, **settings})):
            said = await lost(made)
            assert "`user` and `password`" in said
            assert "wr0ng" not in said
        with pytest.raises(PermanentError) as caught:
            await step(guarded.url(), settings={"version": version, **settings}, topic="a")
        assert caught.value.kind == "mqtt.auth"


@pytest.mark.proves("connection.mqtt.{url,user,password}")
@both
async def test_the_right_password(guarded, version):
    settings = {"version": version, "user": "ann", "password": "right"}
    async with (made := bench(guarded.url(), "own/#", settings=settings, key=f"own{version}/0")):
        await armed(made)
        await step(guarded.url(), settings=settings, topic="own/x", value=1)
        assert await came(made, 1) == [1]
    url = guarded.url().replace("//", "//ann:right@")
    async with (made := bench(url, "own/#", settings={"version": version}, key=f"url{version}/0")):
        await armed(made)


@pytest.mark.parametrize("qos", [1, 2])
async def test_a_message_that_may_not_be_written(guarded, qos):
    bob = {"user": "bob", "password": "also right"}
    with pytest.raises(PermanentError, match="may not write there") as caught:
        await step(guarded.url(), settings=bob, topic="open/x", value=1, qos=qos)
    assert caught.value.kind == "mqtt.refused"


@pytest.mark.proves("connection.mqtt.tls", "connection.mqtt.tls.ca")
@pytest.mark.parametrize("scheme", ["mqtts", "ws"])
async def test_other_ways_in(guarded, certificates, scheme):
    settings = {"user": "ann", "password": "right"}
    tls = {"tls": {"ca": certificates[0]}} if scheme == "mqtts" else {}
    large = ["x" * size for size in (1, 125, 126, 65_535, 65_536, 1_000_000)]
    small = bench(guarded.url(scheme), f"{scheme}/small", settings={**settings, **tls}, key=f"{scheme}/0")
    # Mosquitto 2.0 sends 4 KB each 100 ms over a websocket: what is large is read over TCP.
    back = scheme if scheme == "mqtts" else "mqtt"
    both = bench(guarded.url(back), f"{scheme}/#", settings={**settings, **tls}, key=f"{scheme}/1", batch=2_000)
    async with small, both:
        await armed(small)
        await armed(both)
        for payload in large:
            await step(guarded.url(scheme), settings={**settings, **tls}, topic=f"{scheme}/large", payload=payload)
        assert await came(both, len(large)) == large
        sending = (
            step(guarded.url(scheme), settings={**settings, **tls}, topic=f"{scheme}/small", value=n)
            for n in range(300)
        )
        await asyncio.gather(*sending)
        assert sorted(await came(small, 300)) == [*range(300)]


@pytest.mark.proves("connection.mqtt.tls", "connection.mqtt.tls.{ca,verify}")
async def test_tls_that_is_not_trusted(guarded, certificates):
    user = {"user": "ann", "password": "right"}
    async with (made := bench(guarded.url("mqtts"), settings=user)):
        assert "self-signed certificate" in (said := await lost(made))
        assert "`tls.ca`" in said
    plain = guarded.url().replace("mqtt:", "mqtts:")
    async with (made := bench(plain, settings=user)):
        assert "speaks TLS" in await lost(made)
    secret = guarded.url("mqtts").replace("mqtts:", "mqtt:")
    async with (made := bench(secret, settings=user)):
        assert "with or without TLS" in await lost(made)
    async with (made := bench(guarded.url("mqtts"), settings={**user, "tls": {"verify": False}}, key="blind/0")):
        await armed(made)
    async with (made := bench(guarded.url("mqtts"), settings={**user, "tls": {"ca": "nowhere.pem"}})):
        assert "nowhere.pem" in await lost(made)


@pytest.mark.proves("connection.mqtt.tls.{cert,key}")
async def test_a_certificate_says_who_we_are(certificates):
    known = certificate_files()
    with Mosquitto(certificates=certificates, clients=known[0]) as broker:
        for cert, key in (known, certificate_files()):
            tls = {"ca": certificates[0], "cert": cert, "key": key}
            if (cert, key) == known:
                assert "MQTT" in await inspected(broker.url("mqtts"), tls=tls)
                continue
            with pytest.raises(StepError):
                await inspected(broker.url("mqtts"), tls=tls)
        with pytest.raises(StepError):
            await inspected(broker.url("mqtts"), tls={"ca": certificates[0]})


@pytest.mark.proves("connection.mqtt.{version,keepalive}")
@pytest.mark.parametrize(("version", "level", "answer"), [(5, 5, OK5), ("3.1.1", 4, OK3)])
async def test_what_a_broker_is_told(version, level, answer):
    async with Scripted({1: answer, 12: PONG}) as broker:
        await inspected(broker.url, version=version, keepalive="4m16s")
        await inspected(broker.url, version=version)
        told = [packet[6:7] + packet[8:10] for packet in broker.of(1)]
    assert told == [bytes((level, 1, 0)), bytes((level, 0, 30))]


async def test_no_broker_there(guarded):
    for url, says in (
        (f"mqtt://127.0.0.1:{free_port()}", "cannot be reached"),
        ("mqtt://no-such-host.invalid", "cannot be reached"),
        (f"ws://127.0.0.1:{guarded.port}", "is there a websocket at '/mqtt'?"),
    ):
        async with (made := bench(url)):
            said = await lost(made)
        assert says in said
        with pytest.raises(StepError):
            await inspected(url)


@pytest.mark.parametrize(
    ("version", "answer", "says"),
    [
        (5, b"\x20\x03\x00\x84\x00", "set `version`"),
        (5, b"\x20\x03\x00\x85\x00", "another `client_id`"),
        (5, b"\x20\x03\x00\x86\x00", "`user` and `password`"),
        (5, b"\x20\x03\x00\x89\x00", "is busy"),
        (5, b"\x20\x03\x00\x8a\x00", "banned"),
        (5, b"\x20\x03\x00\x9d\x00", "correct the `url`"),
        (5, b"\x20\x03\x00\x80\x00", "0x80"),
        (5, b"\x20\x02\x00\x01", "set `version`"),
        ("3.1.1", b"\x20\x02\x00\x01", "set `version`"),
        ("3.1.1", b"\x20\x02\x00\x02", "another `client_id`"),
        ("3.1.1", b"\x20\x02\x00\x03", "not available"),
        ("3.1.1", b"\x20\x02\x00\x05", "not authorised"),
        (5, b"", "closed the connection before it answered"),
    ],
)
async def test_what_a_broker_may_answer(version, answer, says):
    async with Scripted({1: answer}) as broker, bench(broker.url, settings={"version": version}) as made:
        said = await lost(made)
        assert says in said
        assert said.count("\n") == 0
        assert made.saved()["client"].startswith("reactor-flow-0-")


@pytest.mark.parametrize(
    ("version", "codes", "says"),
    [
        (5, b"\x87", "refuses the subscription to 'a/#': this user may not read it"),
        (5, b"\x9e", "leave `shared` out"),
        (5, b"\xa2", "name the topics"),
        (5, b"\x00", "grants QoS 0 only"),
        ("3.1.1", b"\x80", "perhaps this user may not read it"),
    ],
)
async def test_a_subscription_that_is_refused(version, codes, says):
    def suback(packet):
        body = packet[:2] + (b"\x00" if version == 5 else b"") + codes
        return b"\x90" + bytes((len(body),)) + body

    async with (
        Scripted({1: OK5 if version == 5 else OK3, 8: suback, 12: PONG}) as broker,
        bench(broker.url, "a/#", settings={"version": version}) as made,
    ):
        assert says in await lost(made)
        assert "armed" not in dict(made.states)


@pytest.mark.parametrize(("extra", "says"), [(b"\x2a\x00", "leave `shared` out"), (b"\x28\x00", "name the topics")])
async def test_a_broker_that_says_beforehand_what_it_lacks(extra, says):
    answer = b"\x20" + bytes((3 + len(extra),)) + b"\x00\x00" + bytes((len(extra),)) + extra
    async with Scripted({1: answer, 12: PONG}) as broker, bench(broker.url, "a/#", shared="g") as made:
        assert says in await lost(made)
        assert not broker.of(8), "it is not asked"


async def test_what_a_publisher_may_not():
    extra = b"\x24\x01\x25\x00\x27\x00\x00\x00\x64"
    answer = b"\x20" + bytes((3 + len(extra),)) + b"\x00\x00" + bytes((len(extra),)) + extra
    async with Scripted({1: answer, 12: PONG}) as broker:
        for params, says in (
            ({"qos": 2}, "offers QoS 1 at most"),
            ({"retain": True}, "no retained messages"),
            ({"payload": "x" * 200}, "takes \\(100\\)"),
        ):
            with pytest.raises(PermanentError, match=says):
                await step(broker.url, topic="a", **params)
        found = await inspected(broker.url)
        assert found.endswith("QoS up to 1, no retained messages")
        assert not broker.of(3)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (0x8E, "gave our session to another client with the same client id"),
        (0x8B, "is shutting down"),
        (0x98, "administrator"),
        (0x80, "0x80"),
    ],
)
async def test_a_broker_that_ends_the_connection(code, says):
    def suback(packet):
        return b"\x90\x04" + packet[:2] + b"\x00\x01" + bytes((0xE0, 2, code, 0))

    async with Scripted({1: OK5, 8: suback, 12: PONG}) as broker, bench(broker.url, "a") as made:
        assert says in await lost(made)


async def test_a_step_is_told_when_the_connection_goes():
    async with Scripted({1: OK5, 3: b"", 12: PONG}) as broker:
        with pytest.raises(TransientError, match="is closed") as caught:
            await step(broker.url, topic="a", value=1)
        assert caught.value.kind == "mqtt.connection"


async def test_a_broker_that_never_answers_connect():
    begun = time.monotonic()
    web = Scripted({1: b"HTTP/1.1 400 Bad Request\r\n\r\n"})
    async with Scripted({}) as broker, web, bench(broker.url) as made, bench(web.url) as other:
        for each in (made, other):
            assert "did not answer our CONNECT" in (said := await lost(each))
            assert "something else than MQTT" in said
    assert time.monotonic() - begun < 10


async def test_the_driver_may_be_missing(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    monkeypatch.delitem(sys.modules, "reactor.connectors.mqtt.link", raising=False)
    monkeypatch.delitem(sys.modules, "reactor.connectors.mqtt.paho", raising=False)
    async with (made := bench("mqtt://127.0.0.1:1")):
        assert "pip install reactor-engine[mqtt]" in await lost(made)
