"""The laws of the cost model run without deadlines: what is slow here is only the first import of prices."""

from hypothesis import HealthCheck, settings


settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")
