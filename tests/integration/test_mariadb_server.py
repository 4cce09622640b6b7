"""The throw-away MariaDB of the test kit."""

import pymysql
import pytest

from reactor.testing.servers import MariaDb


@pytest.fixture(scope="module")
def mariadb():
    with MariaDb() as server:
        yield server


def test_it_writes_a_binlog_of_whole_rows(mariadb):
    wanted = "@@log_bin, @@binlog_format, @@binlog_row_image, @@binlog_row_metadata, @@gtid_strict_mode"

    assert mariadb.execute(f"SELECT {wanted}") == [(1, "ROW", "FULL", "FULL", 1)]


def test_what_was_committed_outlives_a_kill(mariadb):
    mariadb.execute("CREATE TABLE kept (id INT PRIMARY KEY)", "INSERT INTO kept VALUES (1)")
    port = mariadb.port

    mariadb.kill()
    mariadb.start()

    assert mariadb.port == port
    assert mariadb.execute("SELECT id FROM kept") == [(1,)]


def test_a_user_may_only_what_is_granted(mariadb):
    mariadb.execute("CREATE TABLE seen (id INT)", "CREATE TABLE hidden (id INT)")
    mariadb.add_user("reader", "secret", "SELECT ON test.seen")
    connection = mariadb.connect(user="reader", password="secret")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM seen")
            with pytest.raises(pymysql.OperationalError, match="denied"):
                cursor.execute("SELECT * FROM hidden")
    finally:
        connection.close()
    with pytest.raises(pymysql.OperationalError, match="denied"):
        mariadb.connect(user="reader", password="wrong")


def test_the_binlog_can_be_off():
    with MariaDb(binlog=False) as server:
        assert server.execute("SELECT @@log_bin") == [(0,)]
