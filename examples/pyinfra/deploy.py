"""Apply the web application's declaration, and restart the service if the venv changed."""

from pathlib import Path

from pyinfra.operations import server
from pyinfra_converge import converge

HERE = Path(__file__).parent

web = converge.applied(
    name="Create the web application's venv",
    files=str(HERE / "web.toml"),
)
server.shell(
    name="Restart web",
    # On a real host: systemd.service("web", restarted=True, _if=web.did_change)
    commands=[f"date >> {HERE / 'restarts'}"],
    _if=web.did_change,
)
