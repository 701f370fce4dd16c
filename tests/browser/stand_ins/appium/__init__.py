"""A stand-in for Appium's client: a driver that does nothing."""
