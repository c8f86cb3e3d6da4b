// A small WebDriver client for WebKitWebDriver, which drives the real window.

import { writeFileSync } from "node:fs";
import { freePort } from "../harness/livekit.mjs";
import { end, start, until } from "./processes.mjs";

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

/** Starts `binary` on the desktop under WebDriver and gives the session. */
export async function openWindow(desktop, binary, env = {}) {
  const port = await freePort();
  const driver = start("WebKitWebDriver", [`--port=${port}`, "--host=127.0.0.1"], {
    env: { ...desktop.env, TAURI_WEBVIEW_AUTOMATION: "true", ...env },
  });
  const call = async (method, path, body, within_ms = 30_000) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(within_ms),
    });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${value?.error}: ${value?.message}`);
    return value;
  };
  try {
    await until("WebKitWebDriver", async () => (await call("GET", "/status")).ready);
    const options = { binary, args: [] };
    const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": options } };
    const { sessionId } = await call("POST", "/session", { capabilities }, 60_000);
    // On a busy machine a script's answer may be lost on its way. By itself the driver waits for it for as long as a
    // test does, and nothing is asked again.
    await call("POST", `/session/${sessionId}/timeouts`, { script: 10_000 });
    return session(call, `/session/${sessionId}`, driver);
  } catch (error) {
    await end(driver, "SIGKILL");
    throw new Error(`the window did not open: ${error.message}\n${driver.output()}`);
  }
}

function session(call, base, driver) {
  const raw = (method, path, body) => call(method, base + path, body);
  const script = (body, ...args) => raw("POST", "/execute/sync", { script: body, args });

  /** The first visible element that fits, or null. `name` is its accessible name, or its text. */
  const find = (role, name) =>
    script(
      `const [role, name, pattern] = arguments;
       const implicit = { button: 'button, [role=button]', textbox: 'input:not([type=checkbox]):not([type=radio]), textarea, [role=textbox]',
         checkbox: 'input[type=checkbox], [role=checkbox], [role=switch]', heading: 'h1, h2, h3, h4, [role=heading]',
         dialog: 'dialog[open], [role=dialog], [role=alertdialog]', option: '[role=option]', menuitem: '[role=menuitem], [role=menuitemradio]',
         combobox: '[role=combobox], select', tab: '[role=tab]', link: 'a[href]', alert: '[role=alert], [role=status]' };
       const words = (element) => {
         const by = element.getAttribute('aria-labelledby');
         if (by) return by.split(/\\s+/).map((id) => document.getElementById(id)?.textContent ?? '').join(' ');
         const label = element.getAttribute('aria-label')
           ?? [...(element.labels ?? [])].map((label) => label.textContent).join(' ');
         return label || element.textContent || element.getAttribute('title') || '';
       };
       const fits = (text) => pattern ? new RegExp(name, 'i').test(text) : text === name;
       for (const element of document.querySelectorAll(implicit[role] ?? role)) {
         const box = element.getBoundingClientRect();
         if (box.width === 0 || box.height === 0) continue;
         if (fits(words(element).replace(/\\s+/g, ' ').trim())) return element;
       }
       return null;`,
      role,
      name instanceof RegExp ? name.source : name,
      name instanceof RegExp,
    );

  /** Waits for an element that fits. */
  const get = (role, name, options) =>
    until(`${role} "${name}"`, () => find(role, name), { within_ms: 15_000, ...options });
  const idOf = (element) => element[ELEMENT];

  return {
    driver,
    script,
    find,
    get,
    /** Runs a script that ends by calling its last argument. */
    asyncScript: (body, ...args) => raw("POST", "/execute/async", { script: body, args }),
    /** The element of this test id, once it is there. */
    byTestId: (id, options) =>
      until(
        `test id "${id}"`,
        () => script("return document.querySelector(`[data-testid=\"${arguments[0]}\"]`)", id),
        { within_ms: 15_000, ...options },
      ),
    click: async (role, name, options) => {
      await until(
        `a click on ${role} "${name}"`,
        async () => {
          const element = await find(role, name);
          if (!element) return false;
          await raw("POST", `/element/${idOf(element)}/click`, {});
          return true;
        },
        { within_ms: 15_000, ...options },
      );
    },
    clickElement: (element) => raw("POST", `/element/${idOf(element)}/click`, {}),
    /** Types into a field, and makes sure that all of it arrived: on a busy machine the driver loses keys. */
    type: (role, name, text) =>
      until(`"${text.length} characters in ${role} ${name}"`, async () => {
        const element = await find(role, name);
        if (!element) return false;
        // As a person would: the driver does not empty a field that is scrolled out of a panel.
        await script("arguments[0].scrollIntoView({ block: 'center' })", element);
        await raw("POST", `/element/${idOf(element)}/clear`, {});
        await raw("POST", `/element/${idOf(element)}/value`, { text });
        const typed = await script("return arguments[0].value", element);
        if (typed === text) return true;
        throw new Error(`${typed.length} of ${text.length} characters arrived`);
      }, { within_ms: 30_000 }),
    /** Holds the mouse down on an element for a while. */
    hold: async (element, ms) => {
      const move = { type: "pointerMove", duration: 0, x: 0, y: 0, origin: element };
      const press = [move, { type: "pointerDown", button: 0 }, { type: "pause", duration: ms }, { type: "pointerUp", button: 0 }];
      try {
        await raw("POST", "/actions", {
          actions: [{ type: "pointer", id: "mouse", parameters: { pointerType: "mouse" }, actions: press }],
        });
      } catch (error) {
        // Whatever was pressed is not to stay so.
        await raw("DELETE", "/actions").catch(() => {});
        throw error;
      }
    },
    /** Presses and releases keys. */
    keys: (...values) =>
      raw("POST", "/actions", {
        actions: [
          {
            type: "key",
            id: "keyboard",
            actions: values.flatMap((value) => [
              { type: "keyDown", value },
              { type: "keyUp", value },
            ]),
          },
        ],
      }),
    /** All text of the page. */
    text: () => script("return document.body.innerText"),
    /** Waits until the page shows this. */
    sees: (pattern, options) =>
      until(`the page to show ${pattern}`, async () => {
        const text = await script("return document.body.innerText");
        if (pattern.test(text)) return true;
        throw new Error(text);
      }, options),
    screenshot: async (path) => writeFileSync(path, Buffer.from(await raw("GET", "/screenshot"), "base64")),
    /** Ends the session (and with it the program), then the driver. */
    close: async () => {
      try {
        await call("DELETE", base, undefined, 5000);
      } catch {
        // The program is gone already.
      }
      await end(driver, "SIGKILL");
    },
  };
}
