// What the operator sees and can do in the tray: the icon and menu that the program shows there, read and
// clicked over the session bus as a panel does.

import { readFileSync } from "node:fs";
import { until } from "./processes.mjs";

const MENU = "com.canonical.dbusmenu";
const ITEM = "org.kde.StatusNotifierItem";

/** The tray icon of the program, once it is there. */
export async function trayOf(desktop) {
  const gdbus = (dest, path, method, ...args) =>
    desktop.run("gdbus", "call", "--session", "--dest", dest, "--object-path", path, "--method", method, ...args);
  const property = (dest, path, iface, name) => gdbus(dest, path, "org.freedesktop.DBus.Properties.Get", iface, name);

  const [dest, path] = await until("the icon in the tray", async () => {
    const watcher = "org.kde.StatusNotifierWatcher";
    const items = await property(watcher, "/StatusNotifierWatcher", watcher, "RegisteredStatusNotifierItems");
    const found = items.match(/'(:[\d.]+)(\/[^']+)'/);
    return found && [found[1], found[2]];
  });
  const menuPath = (await property(dest, path, ITEM, "Menu")).match(/'(\/[^']+)'/)[1];

  /** Entries as `{ id, label, enabled }`, those of submenus too. */
  async function entries() {
    await gdbus(dest, menuPath, `${MENU}.AboutToShow`, "0");
    const layout = await gdbus(dest, menuPath, `${MENU}.GetLayout`, "0", "--", "-1", "[]");
    const found = [];
    for (const [, id, properties] of layout.matchAll(/\((?:int32 )?(\d+), (\{[^}]*\}|@a\{sv\} \{\})/g)) {
      const label = properties.match(/'label': <(['"])(.*?)\1>/)?.[2];
      if (label) found.push({ id, label: label.replaceAll("__", "_"), enabled: !/'enabled': <false>/.test(properties) });
    }
    return found;
  }

  return {
    entries,
    /** The picture shown now, as a PNG. */
    icon: async () => {
      const name = (await property(dest, path, ITEM, "IconName")).match(/<'([^']+)'>/)[1];
      return readFileSync(name.startsWith("/") ? name : `${name}.png`);
    },
    /** Chooses an entry by its label. */
    choose: async (label) => {
      const entry = await until(`"${label}" in the tray`, async () =>
        (await entries()).find((one) => one.enabled && (label instanceof RegExp ? label.test(one.label) : one.label === label)),
      );
      await gdbus(dest, menuPath, `${MENU}.Event`, entry.id, "clicked", "<0>", "0");
    },
  };
}
