"""A storage host that does exactly what a test says, and stores to publish to."""

from landing_fixtures import *  # noqa: F403
