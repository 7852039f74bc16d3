"""Earlier names of `mount_namespaces`."""

from tests.integration import mount_namespaces
from tests.integration.mount_namespaces import NOBODY, read_only, small_disk, without_proc

room = mount_namespaces.mount_namespace
image = mount_namespaces.overlay
__all__ = ["NOBODY", "image", "read_only", "room", "small_disk", "without_proc"]
