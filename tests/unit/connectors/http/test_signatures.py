"""Published vectors of the signature schemes, and what must not get through."""

import base64
import hmac

import pytest

from reactor.sdk import TriggerLost

GITHUB = "It's a Secret to Everybody"
GITHUB_SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
SLACK = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_TIME = 1531420618
SLACK_BODY = (
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    "&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    "%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121"
    ".803a0bc887a14d10d2c447fce8b6703c"
)
SLACK_SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
STANDARD_BODY = '{"test": 2432232314}'
STANDARD_TIME = 1614265330
STANDARD_HEADERS = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": str(STANDARD_TIME)}
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="


def stripe_header(secret: str, seconds: int, body: str) -> str:
    signature = hmac.new(secret.encode(), f"{seconds}.{body}".encode(), "sha256").hexdigest()
    return f"t={seconds},v1={signature},v0=ignored"


@pytest.mark.proves("on.webhook.auth", "on.webhook.auth.github")
async def test_github_vector(arm):
    headers = {"X-Hub-Signature-256": GITHUB_SIGNATURE, "X-GitHub-Delivery": "72d3162e", "X-GitHub-Event": "push"}
    async with arm(auth={"github": GITHUB}) as hook:
        assert (await hook.call("Hello, World!", {**headers, "content-type": "text/plain"})).status == 202
        assert hook.event.id == "72d3162e"
        assert hook.event.data == "Hello, World!"
        assert hook.event.metadata["event"] == "push"
        assert hook.event.metadata["headers"]["x-hub-signature-256"] == "[hidden]"


async def test_github_says_which_repository(arm):
    body = '{"repository": {"full_name": "octocat/hello"}}'
    signature = "sha256=" + hmac.new(b"k", body.encode(), "sha256").hexdigest()
    async with arm(auth={"github": "k"}) as hook:
        await hook.call(body, {"x-hub-signature-256": signature, "content-type": "application/json"})
        assert hook.event.subject == "octocat/hello"


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        ("Hello, World?", GITHUB_SIGNATURE),
        ("Hello, World!", GITHUB_SIGNATURE[:-1] + "8"),
        ("Hello, World!", GITHUB_SIGNATURE.removeprefix("sha256=")),
        ("Hello, World!", ""),
        ("Hello, World!", "sha256=\u00e9"),
        ("Hello, World!", None),
    ],
)
async def test_a_wrong_signature_is_refused_without_saying_why(arm, caplog, body, signature):
    headers = {} if signature is None else {"x-hub-signature-256": signature}
    async with arm(auth={"github": GITHUB}) as hook:
        answer = await hook.call(body, headers)
        assert answer.status == 401
        assert answer.headers[0] == (b"content-type", b"application/problem+json")
        assert b"signature" not in answer.body
        assert not hook.ctx.drafts
        assert len(hook.ctx.errors) == 1
        assert "webhook refused 1 request(s), last 203.0.113.9" in caplog.text


async def test_keys_are_rotated_and_named(arm):
    async with arm(auth={"github": ["{{ secrets.OLD }}", "secrets.NEW"]}, secrets={"OLD": "x", "NEW": GITHUB}) as hook:
        assert (await hook.call("Hello, World!", {"x-hub-signature-256": GITHUB_SIGNATURE})).status == 202


async def test_a_missing_or_empty_secret_does_not_arm(arm):
    with pytest.raises(TriggerLost, match="no secret GONE"):
        async with arm(auth={"github": "{{secrets.GONE}}"}):
            pass
    with pytest.raises(TriggerLost, match="empty"):
        async with arm(auth={"bearer": "secrets.EMPTY"}, secrets={"EMPTY": ""}):
            pass


@pytest.mark.proves("on.webhook.auth.slack")
async def test_slack_vector(arm):
    headers = {
        "x-slack-request-timestamp": str(SLACK_TIME),
        "x-slack-signature": SLACK_SIGNATURE,
        "content-type": "application/x-www-form-urlencoded",
    }
    async with arm(auth={"slack": SLACK}) as hook:
        hook.ctx.instant = SLACK_TIME * 1000 + 299_000
        assert (await hook.call(SLACK_BODY, headers)).status == 202
        assert hook.event.data["command"] == "/webhook-collect"
        hook.ctx.instant += 2_000
        assert (await hook.call(SLACK_BODY, headers)).status == 401
        assert "301 s old" in hook.ctx.errors[0]


async def test_slack_asks_whether_we_are_there(arm):
    body = '{"type": "url_verification", "token": "t", "challenge": "3eZbrw1a"}'
    base = f"v0:{STANDARD_TIME}:{body}".encode()
    headers = {
        "x-slack-request-timestamp": str(STANDARD_TIME),
        "x-slack-signature": "v0=" + hmac.new(b"k", base, "sha256").hexdigest(),
        "content-type": "application/json",
    }
    async with arm(auth={"slack": "k"}) as hook:
        answer = await hook.call(body, headers)
        assert (answer.status, answer.body) == (200, b"3eZbrw1a")
        assert not hook.ctx.drafts
        assert (await hook.call(body, {**headers, "x-slack-signature": "v0=00"})).status == 401


@pytest.mark.parametrize("signatures", [V1, f"v1,bm9wZQ== {V1}", f"v2,x {V1} v1a,x", f"v1 {V1}"])
async def test_standard_webhooks_vector(arm, signatures):
    async with arm(auth={"standard": STANDARD}) as hook:
        answer = await hook.call(STANDARD_BODY, {**STANDARD_HEADERS, "webhook-signature": signatures})
        assert answer.status == 202
        assert hook.event.id == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.proves("on.webhook.auth.standard")
async def test_standard_webhooks_asymmetric_vector(arm):
    headers = {**STANDARD_HEADERS, "webhook-signature": f"{V1} {V1A}"}
    async with arm(auth={"standard": STANDARD_PUBLIC}) as hook:
        assert (await hook.call(STANDARD_BODY, headers)).status == 202
        assert (await hook.call(STANDARD_BODY + " ", headers)).status == 401
        # A public key must not serve as an HMAC key: everybody has it.
        forged = hmac.new(
            base64.b64decode(STANDARD_PUBLIC.removeprefix("whpk_")),
            f"{STANDARD_HEADERS['webhook-id']}.{STANDARD_TIME}.{STANDARD_BODY}".encode(),
            "sha256",
        ).digest()
        headers["webhook-signature"] = "v1," + base64.b64encode(forged).decode()
        assert (await hook.call(STANDARD_BODY, headers)).status == 401


async def test_standard_webhooks_under_the_name_of_svix(arm):
    headers = {name.replace("webhook", "svix"): value for name, value in STANDARD_HEADERS.items()}
    async with arm(auth={"standard": STANDARD}) as hook:
        assert (await hook.call(STANDARD_BODY, {**headers, "svix-signature": V1})).status == 202
        assert hook.event.id == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize("change", [-301_000, 301_000])
async def test_standard_webhooks_of_another_time(arm, change):
    async with arm(auth={"standard": STANDARD}) as hook:
        hook.ctx.instant += change
        answer = await hook.call(STANDARD_BODY, {**STANDARD_HEADERS, "webhook-signature": V1})
        assert answer.status == 401


@pytest.mark.parametrize("secret", ["whsec_not base64", "whpk_c2hvcnQ="])
async def test_standard_webhooks_with_an_unusable_secret(arm, secret):
    with pytest.raises(TriggerLost, match=r"auth\.standard"):
        async with arm(auth={"standard": secret}):
            pass


@pytest.mark.proves("on.webhook.auth.stripe")
async def test_stripe(arm):
    body = '{"id": "evt_1PQ", "type": "charge.succeeded"}'
    headers = {"content-type": "application/json"}
    async with arm(auth={"stripe": ["whsec_old", "whsec_test_secret"]}) as hook:
        good = stripe_header("whsec_test_secret", STANDARD_TIME, body)
        assert (await hook.call(body, {**headers, "stripe-signature": good})).status == 202
        assert hook.event.id == "evt_1PQ"
        for wrong in [
            stripe_header("whsec_other", STANDARD_TIME, body),
            stripe_header("whsec_test_secret", STANDARD_TIME - 301, body),
            good.replace("v1=", "v0="),
            good.replace(f"t={STANDARD_TIME}", "t=soon"),
            f"t={STANDARD_TIME}",
            f"{good},t={STANDARD_TIME + 1}",
            "",
        ]:
            assert (await hook.call(body, {**headers, "stripe-signature": wrong})).status == 401
        assert len(hook.ctx.drafts) == 1


@pytest.mark.proves("on.webhook.auth.hmac", "on.webhook.auth.hmac.{secret,header,algorithm,encoding,prefix}")
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
async def test_generic_hmac(arm, algorithm, encoding):
    digest = hmac.new(b"key", b"content", algorithm).digest()
    text = digest.hex().upper() if encoding == "hex" else base64.b64encode(digest).decode()
    config = {"secret": "key", "header": "X-Sig", "algorithm": algorithm, "encoding": encoding, "prefix": "h="}
    async with arm(auth={"hmac": config}) as hook:
        assert (await hook.call("content", {"x-sig": "h=" + text})).status == 202
        assert hook.event.metadata["headers"]["x-sig"] == "[hidden]"
        assert (await hook.call("content", {"x-sig": text})).status == 401
        assert (await hook.call("other", {"x-sig": "h=" + text})).status == 401


@pytest.mark.proves("on.webhook.auth.hmac.{timestamp_header,tolerance,template}")
async def test_generic_hmac_over_a_template(arm):
    signed = f"POST /hook {STANDARD_TIME} abc:content".encode()
    config = {
        "secret": "key",
        "header": "x-sig",
        "timestamp_header": "x-time",
        "tolerance": "10s",
        "template": "{method} {path} {timestamp} {header.x-nonce}:{body}",
    }
    headers = {"x-sig": hmac.new(b"key", signed, "sha256").hexdigest(), "x-time": str(STANDARD_TIME), "x-nonce": "abc"}
    async with arm(auth={"hmac": config}) as hook:
        assert (await hook.call("content", headers)).status == 202
        assert (await hook.call("content", {**headers, "x-nonce": "abd"})).status == 401
        hook.ctx.instant += 11_000
        assert (await hook.call("content", headers)).status == 401


@pytest.mark.proves("on.webhook.auth.{basic,bearer}", "on.webhook.auth.basic.{user,password}")
async def test_basic_and_bearer(arm):
    async with arm(
        auth={"basic": {"user": "ann", "password": ["old", "{{ secrets.P }}"]}}, secrets={"P": "pa:ss"}
    ) as hook:
        good = "basic " + base64.b64encode(b"ann:pa:ss").decode()
        assert (await hook.call("", {"authorization": good})).status == 202
        assert hook.event.metadata["headers"]["authorization"] == "[hidden]"
        answer = await hook.call("", {"authorization": "Basic " + base64.b64encode(b"ann:no").decode()})
        assert answer.status == 401
        assert (b"www-authenticate", b'Basic realm="webhook", charset="UTF-8"') in answer.headers
    async with arm(auth={"bearer": "t0ken"}) as hook:
        assert (await hook.call("", {"authorization": "Bearer t0ken"})).status == 202
        for wrong in ["Bearer t0ke", "t0ken", "Basic t0ken", "Bearer"]:
            assert (await hook.call("", {"authorization": wrong})).status == 401


async def test_refusals_do_not_flood_the_log(arm, caplog):
    async with arm(auth={"bearer": "x"}) as hook:
        for _ in range(50):
            await hook.call()
        hook.ctx.instant += 1_000
        await hook.call()
        assert len(hook.ctx.errors) == 51
        assert [record.args[0] for record in caplog.records] == [1, 50]
