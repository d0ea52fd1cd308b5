from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "core",
    max_examples=60,
    stateful_step_count=40,
    deadline=None,  # several suites share a machine
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],  # explaining takes too long
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("core")
