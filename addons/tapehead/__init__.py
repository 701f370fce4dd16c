"""Record, replay and audit the tracking that media players send to Adobe's Media Collection API."""

__version__ = "0.1.0"
