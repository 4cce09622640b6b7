"""Real servers for tests: private, throw-away, on a free port of the loopback, gone when the test process is gone."""

from reactor.testing.servers.dovecot import Dovecot
from reactor.testing.servers.kafka import Kafka
from reactor.testing.servers.mariadb import MariaDb
from reactor.testing.servers.mosquitto import Mosquitto
from reactor.testing.servers.nats import Nats
from reactor.testing.servers.postgres import Postgres, postgres_program, postgres_server
from reactor.testing.servers.process import Missing, Server, free_port
from reactor.testing.servers.prometheus import Prometheus
from reactor.testing.servers.redis import Redis
from reactor.testing.servers.smtp import Received, SmtpServer, certificate, certificate_files, smtp_server
from reactor.testing.servers.wire import Wire

__all__ = [
    "Dovecot",
    "Kafka",
    "MariaDb",
    "Missing",
    "Mosquitto",
    "Nats",
    "Postgres",
    "Prometheus",
    "Received",
    "Redis",
    "Server",
    "SmtpServer",
    "Wire",
    "certificate",
    "certificate_files",
    "free_port",
    "postgres_program",
    "postgres_server",
    "smtp_server",
]
