"""Read requirement files during a resolution: from disk, or from a URL.

The standard library is enough: uv makes every other request. It uses the system's certificates.
"""

from __future__ import annotations

from http.client import HTTPException
from netrc import NetrcParseError, netrc
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    ProxyHandler,
    build_opener,
    getproxies,
)

from engine import progress
from engine.declaration.inputs import decode
from engine.errors import ConvergeError, Unavailable
from states.installer.credentials import CREDENTIALS_HINT, credentials_error, require_netrc
from states.venv.resolve.references import is_url, local_path

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

_TIMEOUT_S = 60


def read_source(name: str, netrc_path: str) -> str | None:
    """Return the text of a requirement file, or None if a file doesn't exist.

    Args:
        name: A path or URL.
        netrc_path: A netrc file with credentials, or empty.

    Raises:
        ConvergeError: The file isn't text, or the URL contains a password.
        Unavailable: The URL can't be fetched.

    """
    if not is_url(name):
        return _read_file(name)
    if message := credentials_error(name):
        raise ConvergeError(message, hint=CREDENTIALS_HINT)
    if name.lower().startswith("file://"):
        return _read_file(local_path(name) or "")
    return _fetch(name, netrc_path)


def _read_file(path: str) -> str | None:
    try:
        with open(path, "rb") as stream:
            return decode(stream.read())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConvergeError(f"`{path}` {error}") from None


def _fetch(url: str, netrc_path: str) -> str:
    progress.step(f"fetching {url}")
    opener = _create_opener(url, netrc_path)
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as response:
            return decode(response.read())
    except HTTPError as error:
        hint = "set `netrc` to a file with its credentials" if error.code in (401, 403) else None
        raise Unavailable(f"can't fetch `{url}`: {error.code} {error.reason}", hint=hint) from None
    except (OSError, ValueError, HTTPException) as error:
        raise Unavailable(f"can't fetch `{url}`: {error}", hint="check the network") from None


def _create_opener(url: str, netrc_path: str) -> OpenerDirector:
    """Return an opener that sends the netrc password to the host of this URL only.

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
    login = entries.authenticators(parts.hostname or "") if entries else None
    if login:
        passwords.add_password(None, f"{parts.scheme}://{parts.netloc}/", login[0], login[2] or "")
    return build_opener(ProxyHandler(_proxies()), HTTPBasicAuthHandler(passwords))


def _proxies() -> dict[str, str]:
    """Return the proxy of each scheme, with `all_proxy` as the default, as uv has it.

    urllib ignores that variable. It doesn't support SOCKS, so a SOCKS proxy is skipped.
    """
    proxies = getproxies()
    default = proxies.get("all", "")
    if not default or default.lower().startswith("socks"):
        return proxies
    return {"http": default, "https": default, **proxies}
