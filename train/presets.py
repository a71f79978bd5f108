"""How long fits take. Light to import: the command's help says it."""

PRESETS = {"draft": 150, "fast": 1_000, "medium": 10_000, "slow": 30_000, "placebo": 100_000}  # iterations
LONG = 5_000  # iterations from which a fit is long
DEFAULT = "fast"
HELP = f"iterations: {', '.join(f'{name} {n:,}' for name, n in PRESETS.items())} (default {DEFAULT})"
