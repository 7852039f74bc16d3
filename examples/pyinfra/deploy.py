"""The web application's environment, and a restart where it changed."""

from pathlib import Path

from pyinfra.operations import server
from pyinfra_converge import converge

HERE = Path(__file__).parent

web = converge.applied(
    name="The web application's environment",
    files=str(HERE / "web.toml"),
)
server.shell(
    name="Restart web",
    # On a real host: systemd.service("web", restarted=True, _if=web.did_change)
    commands=[f"date >> {HERE / 'restarts'}"],
    _if=web.did_change,
)
