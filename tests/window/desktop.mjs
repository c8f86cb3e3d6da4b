// A desktop of its own for one test: screen, window manager, session bus, and, as asked, a keyring and a
// tray. Nothing of the machine's own session or settings is seen or touched.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { end, processesWith, start, until } from "./processes.mjs";

const here = dirname(fileURLToPath(import.meta.url));

/** A bus that starts nothing by itself: what is not started here is not there. */
const busConfig = (folder) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=${folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;

/**
 * @param {{ keyring?: boolean, tray?: boolean, width?: number, height?: number }} options
 */
export async function openDesktop({ keyring = true, tray = true, width = 1360, height = 880 } = {}) {
  // Short, because sockets live below and their paths may have 108 bytes at most.
  const folder = mkdtempSync(join(tmpdir(), "tl-"));
  const home = join(folder, "home");
  const places = {
    HOME: home,
    XDG_DATA_HOME: join(home, ".local/share"),
    XDG_CONFIG_HOME: join(home, ".config"),
    XDG_CACHE_HOME: join(home, ".cache"),
    XDG_STATE_HOME: join(home, ".local/state"),
    XDG_RUNTIME_DIR: join(folder, "run"),
  };
  for (const place of Object.values(places)) mkdirSync(place, { recursive: true, mode: 0o700 });

  // What a desktop opens files with; here it only notes what it was given.
  mkdirSync(join(folder, "bin"));
  const opened = join(folder, "opened");
  writeFileSync(opened, "");
  writeFileSync(join(folder, "bin/xdg-open"), `#!/bin/sh\nprintf '%s\\n' "$1" >> '${opened}'\n`, { mode: 0o755 });

  const started = [];
  let panel;
  const env = {
    PATH: `${join(folder, "bin")}:${process.env.PATH}`,
    LANG: "C.UTF-8",
    ...places,
    // By this every process of the desktop is known at the end, also one that left its group.
    TALLYLIGHT_TEST_DESKTOP: folder,
    ...(process.env.GST_REGISTRY && { GST_REGISTRY: process.env.GST_REGISTRY }),
    NO_AT_BRIDGE: "1",
    GTK_USE_PORTAL: "0",
    GSETTINGS_BACKEND: "memory",
  };

  async function close() {
    for (const child of started.reverse()) await end(child);
    for (const { pid } of processesWith("TALLYLIGHT_TEST_DESKTOP", folder)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Ended meanwhile.
      }
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  try {
    const screen = start("Xvfb", ["-displayfd", "3", "-screen", "0", `${width}x${height}x24`, "-nolisten", "tcp"], {
      env: { PATH: process.env.PATH },
      stdio: ["ignore", "ignore", "pipe", "pipe"],
    });
    started.push(screen);
    let display = "";
    screen.stdio[3].on("data", (data) => {
      display += data;
    });
    await until("the virtual screen", () => display.includes("\n"));
    env.DISPLAY = `:${display.trim()}`;

    writeFileSync(join(folder, "bus.conf"), busConfig(folder));
    const bus = start("dbus-daemon", [`--config-file=${folder}/bus.conf`, "--nofork", "--print-address"], { env });
    started.push(bus);
    await until("the session bus", () => bus.output().includes("unix:path"));
    env.DBUS_SESSION_BUS_ADDRESS = `unix:path=${folder}/bus`;

    started.push(start("openbox", [], { env }));
    if (keyring) {
      const daemon = start("gnome-keyring-daemon", ["--foreground", "--unlock", "--components=secrets"], {
        env,
        input: "a password",
      });
      started.push(daemon);
      await until("the keyring", () => hasName(env, "org.freedesktop.secrets"));
    }
    if (tray) {
      panel = start("/usr/bin/python3", [join(here, "panel.py")], { env });
      started.push(panel);
      await until("the tray", () => hasName(env, "org.kde.StatusNotifierWatcher"));
    }
    await until("the window manager", async () => (await run("wmctrl", ["-m"], env)).includes("Openbox"));
  } catch (error) {
    await close();
    throw error;
  }

  return {
    env,
    folder,
    home,
    dataDir: join(places.XDG_DATA_HOME, "studio.tallylight.Tallylight"),
    close,
    /** Runs a program on this desktop and gives what it wrote. */
    run: (program, ...args) => run(program, args, env),
    /** The files and folders that were opened on the desktop so far. */
    opened: () => readFileSync(opened, "utf8").split("\n").filter(Boolean),
    /** The notifications that were shown so far. */
    notifications: () => panel.output().match(/^notification: .*$/gm) ?? [],
    /** Every process on this desktop that runs this program. */
    processes: (name) =>
      processesWith("TALLYLIGHT_TEST_DESKTOP", folder).filter(({ program }) => program.endsWith(`/${name}`)),
  };
}

/** Runs a program to its end and gives what it wrote; fails if it fails. */
export async function run(program, args, env) {
  const child = start(program, args, { env });
  const code = await child.gone;
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit ${code}: ${child.output()}`);
  return child.output();
}

async function hasName(env, name) {
  const args = ["call", "--session", "--dest", "org.freedesktop.DBus", "--object-path", "/org/freedesktop/DBus"];
  const answer = await run("gdbus", [...args, "--method", "org.freedesktop.DBus.NameHasOwner", name], env);
  return answer.includes("true");
}
