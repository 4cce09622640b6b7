"""MariaDB and MySQL, by their binlog."""
