"""The pytest plugin: an endpoint for the tests of a player, with the audit of what each test's player sent."""
