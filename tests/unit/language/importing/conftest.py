"""Imports of small files of other engines, and runs of what comes out."""

import json

import pytest

from reactor.connectors.data import connector as data
from reactor.connectors.database import connector as database
from reactor.connectors.email import connector as email
from reactor.connectors.event import connector as event
from reactor.connectors.file import connector as file
from reactor.connectors.http import connector as http
from reactor.connectors.log import connector as log
from reactor.connectors.schedule import connector as schedule
from reactor.connectors.shell import connector as shell
from reactor.language.importing import take_over
from reactor.language.loader import load
from reactor.language.problems import errors
from reactor.model.flow import all_steps
from reactor.sdk import Catalog

ALL = Catalog((event, http, schedule, file, shell, log, email, data, database))


class Taken:
    """An import, and what tests ask of it."""

    def __init__(self, made):
        self.text = made.text
        self.coverage = made.coverage
        self.flow = made.loaded.flow
        again = load(made.text, catalog=ALL)
        assert errors(again.problems) == []
        assert self.flow is not None

    @property
    def steps(self):
        return {path: type(step).__name__.removesuffix("Step").lower() for path, step in all_steps(self.flow)}

    @property
    def outcomes(self):
        return {one.name: one.outcome for one in self.coverage.constructs}

    def reason(self, name):
        return next(one.reason for one in self.coverage.constructs if one.name == name)


@pytest.fixture
def catalog():
    return ALL


@pytest.fixture
def take():
    """Import a value (as JSON) or a text."""

    def take_(given, engine, file="given.json") -> Taken:
        text = given if isinstance(given, (str, bytes)) else json.dumps(given)
        return Taken(take_over(text, engine, catalog=ALL, file=file))

    return take_
