"""The connector `redis`: streams, channels, lists and keys of Redis."""

from reactor.connectors.redis.actions import add, get, publish, set_
from reactor.connectors.redis.connection import REDIS, clients
from reactor.connectors.redis.trigger import RedisTrigger
from reactor.sdk import Connector

connector = Connector(
    name="redis",
    doc="Streams, channels, lists and keys of Redis, and of servers that speak its protocol.",
    actions=(publish, add, get, set_),
    triggers=(RedisTrigger(),),
    connections=(REDIS,),
    close=clients.close,
    types={"redis.message": "An entry of a stream, a message of a channel, or an element of a list."},
)
