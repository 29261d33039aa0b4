"""The real program, as the end-to-end tests start it."""

from tests.e2e.conftest import start as start
