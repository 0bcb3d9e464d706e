"""Numbers as a person says them: counts of things, times, sizes."""


def duration(seconds: float) -> str:
    """'40 s', '6 min', '2 h 10 min'."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def many(count: int, one: str, more: str = "") -> str:
    """'1 photo', '2 photos', '1,797 photos'."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def megabytes(count: float) -> str:
    """Bytes, counted in MB, for a reader."""
    return f"{count:.0f} MB" if count < 1000 else f"{count / 1000:.1f} GB"
