"""Distribution packages that provide what a build from source lacks: headers and programs.

The names for Debian are those of `Contents-amd64` of Debian 12. Where a package has a version or
a vendor in its name, the metapackage for it is listed. The names for Fedora follow its naming
guidelines and weren't compared with a list of files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.system.existence import exists
from states.distribution.databases import database_stats, find_manager
from states.distribution.file_index import find_providers

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEADERS = """
Python.h                python3-dev                   python3-devel
bzlib.h                 libbz2-dev                    bzip2-devel
cairo.h                 libcairo2-dev                 cairo-devel
crypt.h                 libcrypt-dev                  libxcrypt-devel
curl/curl.h             libcurl4-openssl-dev          libcurl-devel
dbus/dbus.h             libdbus-1-dev                 dbus-devel
ev.h                    libev-dev                     libev-devel
expat.h                 libexpat1-dev                 expat-devel
ffi.h                   libffi-dev                    libffi-devel
ft2build.h              libfreetype-dev               freetype-devel
glib.h                  libglib2.0-dev                glib2-devel
gmp.h                   libgmp-dev                    gmp-devel
gssapi.h                libkrb5-dev                   krb5-devel
gssapi/gssapi.h         libkrb5-dev                   krb5-devel
gssapi/gssapi_ext.h     libkrb5-dev                   krb5-devel
hdf5.h                  libhdf5-dev                   hdf5-devel
jpeglib.h               libjpeg-dev                   libjpeg-turbo-devel
krb5.h                  libkrb5-dev                   krb5-devel
lber.h                  libldap-dev                   openldap-devel
ldap.h                  libldap-dev                   openldap-devel
libmemcached/memcached.h libmemcached-dev             libmemcached-devel
libpq-fe.h              libpq-dev                     libpq-devel
libvirt/libvirt.h       libvirt-dev                   libvirt-devel
libxml/xmlversion.h     libxml2-dev                   libxml2-devel
libxml/parser.h         libxml2-dev                   libxml2-devel
libxslt/xslt.h          libxslt1-dev                  libxslt-devel
lzma.h                  liblzma-dev                   xz-devel
magic.h                 libmagic-dev                  file-devel
mpfr.h                  libmpfr-dev                   mpfr-devel
mysql.h                 default-libmysqlclient-dev    mariadb-connector-c-devel
ncurses.h               libncurses-dev                ncurses-devel
openssl/opensslv.h      libssl-dev                    openssl-devel
openssl/ssl.h           libssl-dev                    openssl-devel
pcap.h                  libpcap-dev                   libpcap-devel
pcre.h                  libpcre3-dev                  pcre-devel
rados/librados.h        librados-dev                  librados-devel
rbd/librbd.h            librbd-dev                    librbd-devel
readline/readline.h     libreadline-dev               readline-devel
sasl.h                  libsasl2-dev                  cyrus-sasl-devel
sasl/sasl.h             libsasl2-dev                  cyrus-sasl-devel
security/pam_appl.h     libpam0g-dev                  pam-devel
sodium.h                libsodium-dev                 libsodium-devel
sql.h                   unixodbc-dev                  unixODBC-devel
sqlite3.h               libsqlite3-dev                sqlite-devel
systemd/sd-daemon.h     libsystemd-dev                systemd-devel
systemd/sd-journal.h    libsystemd-dev                systemd-devel
xmlsec/xmlsec.h         libxmlsec1-dev                xmlsec1-devel
yaml.h                  libyaml-dev                   libyaml-devel
zlib.h                  zlib1g-dev                    zlib-devel
zmq.h                   libzmq3-dev                   zeromq-devel
"""
_PROGRAMS = """
cargo                   cargo                         cargo
cmake                   cmake                         cmake
curl-config             libcurl4-openssl-dev          libcurl-devel
g++                     g++                           gcc-c++
gcc                     gcc                           gcc
krb5-config             libkrb5-dev                   krb5-devel
libsystemd              libsystemd-dev                systemd-devel
libvirt                 libvirt-dev                   libvirt-devel
libxml2                 libxml2-dev                   libxml2-devel
libxslt                 libxslt1-dev                  libxslt-devel
mysql_config            default-libmysqlclient-dev    mariadb-connector-c-devel
mysqlclient             default-libmysqlclient-dev    mariadb-connector-c-devel
pg_config               libpq-dev                     libpq-devel
pkg-config              pkg-config                    pkgconf-pkg-config
rustc                   rustc                         rust
swig                    swig                          swig
xmlsec1                 libxmlsec1-dev                xmlsec1-devel
"""
"""Programs, and modules of pkg-config."""
_PACKAGES = """
dbus-python             dbus/dbus.h
gssapi                  gssapi/gssapi.h krb5-config
libvirt-python          libvirt/libvirt.h pkg-config
mysqlclient             pkg-config
psycopg-c               pg_config
psycopg2                pg_config
pylibmc                 libmemcached/memcached.h
python-ldap             lber.h sasl/sasl.h
systemd-python          systemd/sd-journal.h pkg-config
"""
"""Packages that publish no wheels for Linux, and what their builds need."""
_INCLUDE_DIRS = ("/usr/include", "/usr/local/include", "/usr/include/x86_64-linux-gnu",
                 "/usr/include/aarch64-linux-gnu", "/usr/include/dbus-1.0")  # fmt: skip
_BIN_DIRS = ("/usr/local/bin", "/usr/bin", "/bin")
_MISSING_HEADER = re.compile(
    r"fatal error: '?([\w./+-]+\.(?:h|hpp|hh))'?(?:: No such file| file not)"
)
_MISSING_PROGRAM = re.compile(
    r"(?:command|program|error:|exec)?\s*['\"`]?\b(gcc|g\+\+|cargo|rustc|cmake|swig|[a-z0-9]+[_-]config)\b"
    r"['\"`]?(?: executable)?(?: is)?(?: failed)?:? (?:not found|No such file|command not found)"
    r"|No such file or directory: '(?:[^']*/)?([\w+-]+)'"
    r"|Package '?([\w.+-]+?)'?,? (?:required by [^\n]*, |was )?not found"
    r"|No package '([\w.+-]+)' found"
    r"|[Cc]annot find (lib\w+)|make sure the (libxml2) and"
)
_UNKNOWN_PROGRAM = re.compile(
    r"error: command '(?:[^'\n]*/)?([\w+.-]+)' failed: No such file"
    r"|unable to execute '(?:[^'\n]*/)?([\w+.-]+)'"
    r"|(?:sh|bash): (?:line )?(?:\d+: )?(?:exec: )?([\w+.-]+): (?:command )?not found"
    r"|make(?:\[\d+\])?: ([\w+.-]+): No such file or directory"
    r"|Program '?([\w+.-]+?)'?(?: \S+)* not found or not executable"
    r"|/subprocess\.py\", line (?:(?!Traceback).)*?"
    r"No such file or directory: '(?:[^'\n]*/)?([\w+.-]+)'",
    re.DOTALL,
)
"""A program of any name, in messages that no missing data file causes: those of setuptools, shells,
make, Meson, and the module `subprocess`."""
_UNKNOWN_MODULE = re.compile(
    r"Package '?([\w.+-]+?)'?,? (?:required by [^\n]*, |was )not found"
    r"|No package '([\w.+-]+)' found"
    r"|Dependency \"([\w.+-]+)\" not found, tried pkgconfig"
)
"""A module of pkg-config of any name."""
_TOOL_MESSAGES = {
    "rustc": re.compile(r"can't find Rust compiler|Rust not found, installing into"),
    "cargo": re.compile(r"Cargo, the Rust package manager, is not installed"),
    "gcc": re.compile(r"Unknown compiler\(s\): \[\['?cc|No CMAKE_C_COMPILER could be found"),
    "g++": re.compile(r"Unknown compiler\(s\): \[\['?c\+\+|No CMAKE_CXX_COMPILER could be found"),
    "cmake": re.compile(r"CMake must be installed"),
    "pkg-config": re.compile(r"Could NOT find PkgConfig|Did not find pkg-config"),
}
"""Other messages about a missing tool."""
_FEDORA_LIKE = ("fedora", "rhel", "centos", "suse")


@frozen
class Missing:
    """The headers and programs that a build lacks, with modules of pkg-config."""

    headers: tuple[str, ...]
    programs: tuple[str, ...]
    packages: tuple[str, ...]
    """The packages of this host's distribution that provide it, if they are known."""


def missing_requirements(output: str, more_headers: tuple[str, ...] = ()) -> Missing:
    """Return the headers and programs that a failed build reports as missing.

    Args:
        output: The output of the build.
        more_headers: Headers that its sources include and this host doesn't have.

    Returns:
        Everything that is known to be missing.

    """
    named = _MISSING_HEADER.findall(output)
    headers = list(dict.fromkeys([*named, *(more_headers if named else ())]))
    tools = [
        name for names in _MISSING_PROGRAM.findall(output) for name in names if name in PROGRAMS
    ]
    tools += [name for name, message in _TOOL_MESSAGES.items() if message.search(output)]
    programs = _names(_UNKNOWN_PROGRAM, output)
    modules = _names(_UNKNOWN_MODULE, output)
    needed = list(dict.fromkeys([*tools, *programs, *modules]))
    unknown = find_providers(
        [name for name in headers if name not in HEADERS or is_alpine()],
        [name for name in needed if name not in modules and (name not in PROGRAMS or is_alpine())],
        [name for name in modules if name not in PROGRAMS or is_alpine()],
    )
    packages = dict.fromkeys([*_provided_by([*headers, *needed]), *unknown])
    return Missing(tuple(headers), tuple(needed), tuple(packages))


def _names(pattern: re.Pattern[str], output: str) -> list[str]:
    """Return the names in the messages that a pattern matches."""
    return list(
        dict.fromkeys(name for match in pattern.finditer(output) for name in match.groups() if name)
    )


def is_absent_header(name: str) -> bool:
    """Return whether a header isn't in a directory that compilers search."""
    return not any(exists(f"{directory}/{name}") for directory in _INCLUDE_DIRS)


def known_requirements(name: str) -> tuple[str, ...]:
    """Return the distribution's packages that a Python package needs and this host lacks.

    It is known for packages that publish no wheels.
    """
    return _provided_by(
        requirement
        for requirement in PACKAGES.get(name, ())
        if (requirement in HEADERS and is_absent_header(requirement))
        or (requirement in PROGRAMS and is_absent_program(requirement))
    )


def is_absent_program(name: str) -> bool:
    """Return whether a program isn't in a directory that builds search."""
    return not any(exists(f"{directory}/{name}") for directory in _BIN_DIRS)


def _provided_by(names: Iterable[str]) -> tuple[str, ...]:
    """Return the packages of this host's distribution that provide headers and programs."""
    if is_alpine():
        return ()  # Its names differ, and its index knows them.
    column = 1 if _is_fedora_like() else 0
    providers = {**HEADERS, **PROGRAMS}
    return tuple(dict.fromkeys(providers[name][column] for name in names if name in providers))


def _table(text: str) -> dict[str, tuple[str, str]]:
    rows = (line.split() for line in text.splitlines() if line)
    return {name: (debian, fedora) for name, debian, fedora in rows}


HEADERS = _table(_HEADERS)
"""The Debian and the Fedora package of each header."""
PROGRAMS = _table(_PROGRAMS)
"""The same of each program."""
PACKAGES = {name: names for name, *names in map(str.split, _PACKAGES.strip().splitlines())}
"""The headers and programs that the build of each package needs."""


def is_alpine() -> bool:
    """Return whether the package manager of this host is apk."""
    return find_manager(database_stats()) == "apk"


def _is_fedora_like() -> bool:
    from platform import freedesktop_os_release

    try:
        release = freedesktop_os_release()
    except FileNotFoundError:  # Not every container image has it.
        return False
    names = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".split()
    return any(name.startswith(_FEDORA_LIKE) for name in names)
