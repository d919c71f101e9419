"""What holds for every test: how slow a machine is must not decide whether its tests pass."""

from hypothesis import HealthCheck, settings

settings.register_profile("labrys", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("labrys")
