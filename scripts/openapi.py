"""Prints the API's OpenAPI document, without a server: the TypeScript types of the control room are made from it."""

from __future__ import annotations

import sys

import msgspec

from reactor.server.api import LINES
from reactor.server.openapi import document

sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document(LINES, "/")), indent=2) + b"\n")
