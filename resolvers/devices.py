"""What to call a device, by what its client says of itself (User-Agent, RFC 9110 section 10.1.5): enough for its owner to know it again."""

from typing import Final

UNKNOWN: Final = "Unknown device"

# In this order: most browsers name others beside themselves.
_BROWSERS: Final = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
_SYSTEMS: Final = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "CrOS": "ChromeOS",
    "Windows": "Windows",
    "Macintosh": "macOS",
    "Linux": "Linux",
}
_LONGEST: Final = 60


def device_of(user_agent: str) -> str:
    """A few words: "Firefox on Linux", or how a program begins to call itself."""
    browser, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    return (browser or system or "".join(filter(str.isprintable, user_agent.split(" ", maxsplit=1)[0])) or UNKNOWN)[:_LONGEST]


def _first(names: dict[str, str], user_agent: str) -> str:
    return next((name for mark, name in names.items() if mark in user_agent), "")
