"""What programs ask of systemd-logind to keep the computer awake.

Each lock that is taken is a line `+sleep` or `+idle` on standard output, and each that is let go of, by closing
its file or by dying, a line `-sleep` or `-idle`. Needs python3-dbus and python3-gi.
"""

import os

import dbus
import dbus.service
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

MANAGER = "org.freedesktop.login1.Manager"


class Manager(dbus.service.Object):
    """`org.freedesktop.login1.Manager`, as far as locks go."""

    def __init__(self, bus):
        super().__init__(dbus.service.BusName("org.freedesktop.login1", bus), "/org/freedesktop/login1")

    @dbus.service.method(MANAGER, in_signature="ssss", out_signature="h")
    def Inhibit(self, what, _who, _why, _mode):
        ours, theirs = os.pipe()
        print(f"+{what}", flush=True)
        GLib.io_add_watch(ours, GLib.IO_HUP, self.released, str(what))
        handed = dbus.types.UnixFd(theirs)
        os.close(theirs)
        return handed

    @staticmethod
    def released(ours, _condition, what):
        print(f"-{what}", flush=True)
        os.close(ours)
        return False


DBusGMainLoop(set_as_default=True)
manager = Manager(dbus.SystemBus())
print("ready", flush=True)
GLib.MainLoop().run()
