"""Make HTTP requests for requirement files, with the netrc file and the proxies that uv uses."""

from __future__ import annotations

from netrc import NetrcParseError, netrc
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    UnknownHandler,
    getproxies,
)

from engine.errors import ConvergeError
from states.installer.credentials import require_netrc

if TYPE_CHECKING:
    from typing import Any
    from urllib.request import Request


class _SafeRedirects(HTTPRedirectHandler):
    """Follows a redirect to HTTP(S) only, and from HTTPS to HTTPS only."""

    def redirect_request(self, req: Request, *details: Any) -> Request | None:
        """Return the request for the new location, the last one of the details.

        Raises:
            URLError: The location isn't safe.

        """
        newurl = details[-1]
        allowed = ("https",) if req.type == "https" else ("http", "https")
        if urlsplit(newurl).scheme.lower() not in allowed:
            raise URLError(f"redirect to another protocol: `{newurl}`")
        return super().redirect_request(req, *details)


def create_opener(
    url: str, netrc_path: str, login: tuple[str, str] | None = None
) -> OpenerDirector:
    """Return an opener that sends a password to the host of this URL only.

    Args:
        url: The URL.
        netrc_path: A netrc file with passwords, or empty.
        login: The user and the password for the host. They take precedence over the netrc file.

    Returns:
        The opener.

    Raises:
        ConvergeError: The netrc file is invalid.
        NoInput: The netrc file doesn't exist.

    """
    passwords = HTTPPasswordMgrWithDefaultRealm()
    parts = urlsplit(url)
    try:
        entries = netrc(require_netrc(netrc_path)) if netrc_path else None
    except NetrcParseError as error:
        raise ConvergeError(f"`{netrc_path}` line {error.lineno}: invalid netrc entry") from None
    recorded = entries.authenticators(parts.hostname or "") if entries else None
    if login is None and recorded:
        login = recorded[0], recorded[2] or ""
    if login:
        passwords.add_password(None, f"{parts.scheme}://{parts.netloc}/", *login)
    opener = OpenerDirector()
    # `build_opener` would also add handlers for local files and FTP.
    for handler in (
        ProxyHandler(_proxies()),
        HTTPHandler(),
        HTTPSHandler(),
        _SafeRedirects(),
        HTTPBasicAuthHandler(passwords),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _proxies() -> dict[str, str]:
    """Return the proxy of each scheme, with `all_proxy` as the default, as uv has it.

    urllib ignores that variable. It doesn't support SOCKS, so a SOCKS proxy is skipped.
    """
    proxies = getproxies()
    default = proxies.get("all", "")
    if not default or default.lower().startswith("socks"):
        return proxies
    return {"http": default, "https": default, **proxies}
