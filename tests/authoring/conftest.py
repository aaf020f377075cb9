"""Laws are tried without a clock: a slow machine breaks none of them."""

from hypothesis import HealthCheck, settings


settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")
