"""NKeys, with the example of the NATS documentation's own tools."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reactor.connectors.nats.nkey import NKey, read_creds
from reactor.model.errors import PermanentError

# https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth
SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"


def test_the_public_key_of_a_seed():
    assert NKey(f" {SEED}\n").public == PUBLIC


def test_a_signature():
    raw = base64.b32decode(PUBLIC)[1:33]
    Ed25519PublicKey.from_public_bytes(raw).verify(base64.b64decode(NKey(SEED).sign("nonce")), b"nonce")


@pytest.mark.parametrize("seed", ["", PUBLIC, SEED[:20] + "7" + SEED[21:], SEED[:20], "SU!!"])
def test_what_is_no_seed(seed):
    with pytest.raises(PermanentError, match="not the seed of a user's NKey") as caught:
        NKey(seed)
    assert not seed or seed not in caught.value.message


def test_a_file_of_credentials():
    text = f"""-----BEGIN NATS USER JWT-----
eyJ0eXAi.eyJqdGki.x-_9
------END NATS USER JWT------

************************* IMPORTANT *************************
-----BEGIN USER NKEY SEED-----
{SEED}
------END USER NKEY SEED------
"""
    jwt, key = read_creds(text)
    assert (jwt, key.public) == ("eyJ0eXAi.eyJqdGki.x-_9", PUBLIC)
    with pytest.raises(PermanentError, match=r"not the text of a \.creds file"):
        read_creds("creds.txt")
