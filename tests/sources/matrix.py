"""Which source is put through which fault. `docs/sources/README.md` shows this table; `test_faults.py` runs it."""

from __future__ import annotations

SOURCES: dict[str, str] = {
    "cdc-mariadb": "cdc:MariaDbChanges",
    "cdc-postgres": "cdc:PostgresChanges",
    "nats": "nats:NatsRig",
    "email": "email:Email",
    "kafka": "kafka:KafkaRig",
    "redis stream": "redis:RedisStream",
    "database-postgres": "databases:PolledPostgres",
    "database-mariadb": "databases:PolledMariaDb",
    "mqtt": "mqtt:MqttOnce",
    "mqtt QoS 2": "mqtt:MqttTwice",
    "plugin": "plugin:Plugin",
}
"""Name → where its rig is, `module:Class` in this folder."""

FAULTS: dict[str, str] = {
    "nothing": "nothing goes wrong",
    "broker killed": "the server gets `kill -9` while messages come, and is started again",
    "broker hangs": "the server stands still (SIGSTOP) with its connections open: red within 10 s; then it goes on",
    "connection cut": "every connection is reset, new ones are refused for a second",
    "group rebalanced": "a second consumer of the same group comes and goes while messages come",
    "killed: received": "`kill -9` of Reactor when it has messages in hand and nothing is written",
    "killed: routed": "`kill -9` of Reactor when their runs are made and nothing is written",
    "killed: writing": "`kill -9` of Reactor within the transaction",
    "killed: written": "`kill -9` of Reactor after the transaction, before anybody is told",
    "killed: committed": "`kill -9` of Reactor after the commit, before the source is acknowledged",
    "killed: acknowledged": "`kill -9` of Reactor right after an acknowledgement",
    "duplicates": "messages that have been taken are delivered a second time",
    "out of order": "messages come in another order than their numbers",
    "slow database": "Reactor's own store cannot be written for three seconds",
    "poison": "a message that cannot be read is between the others",
}

FAILPOINTS: dict[str, str] = {
    "killed: received": "source.received:{count}",
    "killed: routed": "intake.routed:{count}",
    "killed: writing": "commit.written:{count}",
    "killed: written": "commit.after:{count}",
    "killed: committed": "source.committed:{count}",
    "killed: acknowledged": "source.acknowledged:{count}",
}

EXCEPT: dict[tuple[str, str], str] = {
    **{
        (source, fault): why
        for source in ("database-postgres", "database-mariadb")
        for fault, why in {
            "group rebalanced": "a table has no groups: each trigger reads all of it",
            "killed: acknowledged": "nothing is acknowledged to a table; the position is in the commit",
        }.items()
    },
    **{
        (source, "group rebalanced"): "what the broker has given to one member waits for it alone, also when it is away"
        for source in ("mqtt", "mqtt QoS 2")
    },
    ("cdc-mariadb", "group rebalanced"): "a binlog has no groups: each trigger reads all of it",
    ("cdc-mariadb", "killed: acknowledged"): "the server is not told how far we are; the position is in the commit",
    ("cdc-mariadb", "duplicates"): "the server tells what we ask for, from the position that is in the commit",
    ("cdc-postgres", "group rebalanced"): "a replication slot has one reader: a second one is refused",
    ("email", "group rebalanced"): "mailboxes have no groups: each flow that watches a folder gets every message",
    (
        "plugin",
        "connection cut",
    ): "the socket is a file of Reactor's own machine: it stays as long as both live",
    ("plugin", "group rebalanced"): "the file that this plugin reads has no groups: each trigger reads all of it",
}
"""(source, fault) → why there is no such thing."""


def cases() -> list[tuple[str, str]]:
    """All that are run."""
    return [(source, fault) for source in SOURCES for fault in FAULTS if (source, fault) not in EXCEPT]
