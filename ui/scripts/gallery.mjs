// Takes a picture of every state of the window, and says what is wrong with it (errors, what overflows, what axe
// finds against WCAG): npm run gallery -w ui [-- NAME…]
// Needs a Chromium on the machine (CHROMIUM names another). The pictures go to ui/gallery-out/.

import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { chromium } from "playwright-core";
import { createServer } from "vite";

const ui = fileURLToPath(new URL("..", import.meta.url));
const out = `${ui}gallery-out`;
mkdirSync(out, { recursive: true });
const wanted = process.argv.slice(2);

const executablePath =
  process.env.CHROMIUM ??
  ["/usr/bin/chromium", "/usr/bin/google-chrome", "/usr/bin/chromium-browser"].find((path) =>
    existsSync(path),
  );
if (!executablePath) throw new Error("no Chromium found: install one, or name it in CHROMIUM");

const server = await createServer({
  root: ui,
  server: { host: "127.0.0.1", port: 0, hmr: false },
  logLevel: "error",
});
await server.listen();
const address = server.resolvedUrls?.local[0];
const browser = await chromium.launch({
  executablePath,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});

// Two of axe's rules do not fit: keys shown beside words are not part of a name, and a menu that opens is in no region.
const rules = { "label-content-name-mismatch": { enabled: false }, region: { enabled: false } };

async function fillS3(page, bucket, secret) {
  await page.locator("[data-kind=s3]").click();
  await page.getByLabel("Bucket", { exact: true }).fill(bucket);
  await page.getByLabel("Access key", { exact: true }).fill("AKIAEXAMPLE");
  await page.getByLabel("Secret key", { exact: true }).fill(secret);
  await page.getByRole("button", { name: "Check", exact: true }).click();
}

const acts = {
  "fill-login": async (page) => {
    await page.getByLabel("LiveKit URL").fill("wss://northlight.livekit.cloud");
    await page.getByLabel("API key").fill("APIvqp3rTn");
    await page.getByLabel("API secret").fill("not-the-secret");
    await page.getByTestId("project-save").click();
    await page.getByTestId("notice").waitFor();
  },
  "live-socket": async (page) => {
    await page.getByLabel("Address with key", { exact: true }).fill("wss://captions.example/listen?token=x");
  },
  "layouts-end": async (page) => {
    await page.getByTestId("layout-broken").last().scrollIntoViewIfNeeded();
  },
  hold: async (page) => {
    await page.evaluate(() => {
      // Holding for the picture must not come to its end; others' timers go on.
      const real = window.setTimeout;
      window.setTimeout = (call, ms, ...args) => (ms === 500 ? 0 : real(call, ms, ...args));
    });
    await page.getByTestId("stop").last().hover();
    await page.mouse.down();
    await page.waitForTimeout(250);
  },
  ask: async (page) => {
    await page.keyboard.press("s");
  },
  stop: async (page) => {
    await page.keyboard.press("s");
    await page.keyboard.press("Enter");
    await page.getByText(/^Saved/).waitFor();
  },
  forget: async (page) => {
    await page
      .getByRole("button", { name: /^Forget/ })
      .first()
      .click();
    await page.getByRole("button", { name: "Undo" }).waitFor();
  },
  "live-wrong": async (page) => {
    await page.getByLabel("Address with key").fill("https://youtube.example/key");
    await page.getByRole("button", { name: "Go live", exact: true }).click();
    await page.getByTestId("notice").waitFor();
  },
  "live-settings": async (page) => {
    const tab = page.getByRole("tab", { name: "Live" });
    if (await tab.isVisible()) await tab.click();
    await page.getByRole("region", { name: "Live destinations" }).scrollIntoViewIfNeeded();
  },
  "project-menu": async (page) => {
    await page.getByRole("button", { name: /^Project:/ }).click();
  },
  "storage-forget": async (page) => {
    await page.getByRole("button", { name: "Forget Archive" }).click();
    await page.getByTestId("storage-forget").getByRole("button", { name: "Forget" }).click();
    await page.getByTestId("notice").waitFor();
  },
  "storage-s3": async (page) => {
    await page.locator("[data-kind=s3]").click();
    await page.getByRole("button", { name: "More" }).click();
    await page.getByLabel("Bucket", { exact: true }).fill("northlight-shows");
  },
  "storage-checked": async (page) => {
    await fillS3(page, "write-only", "s3cret");
    await page.getByTestId("storage-checked").waitFor();
  },
  "storage-wrong": async (page) => {
    await fillS3(page, "northlight-shows", "wrong");
    await page.getByTestId("notice").waitFor();
  },
  "storage-identity": async (page) => {
    await page.locator("[data-kind=s3]").click();
    await page.getByLabel("Bucket", { exact: true }).fill("northlight-shows");
    await page.getByRole("checkbox", { name: "Without keys, as this computer itself" }).click();
    await page.getByRole("button", { name: "Check", exact: true }).click();
    await page.getByTestId("notice").waitFor();
  },
  "storage-gcp": async (page) => {
    await page.locator("[data-kind=gcp]").click();
    await page.getByLabel("Bucket", { exact: true }).fill("northlight-public");
    const key = { client_email: "recorder@northlight.iam.gserviceaccount.com", private_key: "-" };
    await page.getByLabel("Key file of the service account").fill(JSON.stringify(key));
    await page.getByTestId("credentials-of").waitFor();
  },
  "upload-cancel": async (page) => {
    await page
      .getByRole("button", { name: /off the list$/ })
      .first()
      .click();
  },
  record: async (page) => {
    await page.getByTestId("record").click();
    await page.getByTestId("notice").waitFor();
  },
  "rule-type": async (page) => {
    await page.getByLabel("Rooms called").fill("*-*");
  },
  "rule-save": async (page) => {
    await page.getByLabel("Rooms called").fill("studio-*");
    await page.getByRole("button", { name: "Save rule" }).click();
    await page.getByTestId("notice").waitFor();
  },
  "rule-forget": async (page) => {
    await page
      .getByRole("button", { name: /^Forget/ })
      .first()
      .click();
    await page.getByTestId("rule-forget").waitFor();
  },
  "room-there": async (page) => {
    await page.getByLabel("Name", { exact: true }).fill("town-hall");
  },
  "room-egress": async (page) => {
    await page.getByLabel("Name", { exact: true }).fill("evening-show");
    await page.getByLabel("Whole room").check({ force: true });
  },
  "room-create": async (page) => {
    await page.getByLabel("Name", { exact: true }).fill("evening-show");
    await page.getByRole("button", { name: "Create room" }).click();
    await page.getByTestId("notice").waitFor();
  },
  "elsewhere-remove": async (page) => {
    await page
      .getByRole("button", { name: /^Remove/ })
      .first()
      .click();
  },
  "elsewhere-layouts": async (page) => {
    await page.getByRole("button", { name: /^Layout of/ }).click();
  },
  "elsewhere-more": async (page) => {
    await page.getByRole("button", { name: /more on LiveKit$/ }).click();
  },
  "format-menu": async (page) => {
    await page.getByLabel("Picture and sound").click();
  },
  besides: async (page) => {
    await page.getByRole("button", { name: /^Besides the file/ }).click();
  },
};

try {
  const index = await browser.newPage();
  await index.goto(`${address}gallery.html`);
  await index.locator("[data-scene]").first().waitFor();
  const all = await index
    .locator("[data-scene]")
    .evaluateAll((links) =>
      links.map((link) => ({ name: link.dataset.scene, ...JSON.parse(link.dataset.spec) })),
    );
  await index.close();
  for (const { name, act, sizes } of all) {
    if (wanted.length > 0 && !wanted.some((one) => name.includes(one))) continue;
    for (const [width, height] of [[1280, 800], ...(sizes ?? [])]) {
      const page = await browser.newPage({ viewport: { width, height } });
      const troubles = [];
      page.on("pageerror", (error) => troubles.push(error.message));
      page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
      await page.goto(`${address}gallery.html?scene=${name}`);
      await page.evaluate(() => document.fonts.ready);
      await page.waitForTimeout(700);
      if (act) await acts[act](page);
      if (act) await page.waitForTimeout(350);
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(
        (ruled) => window.axe.run({ resultTypes: ["violations"], rules: ruled }),
        rules,
      );
      for (const { id, nodes } of violations)
        troubles.push(
          `${id}: ${nodes
            .map((node) => node.html.slice(0, 160))
            .slice(0, 3)
            .join(" ; ")}`,
        );
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
      const file = width === 1280 ? `${name}.png` : `${name}-${width}.png`;
      await page.screenshot({ path: `${out}/${file}` });
      if (overflow) troubles.push("wider than the window");
      console.log(file, troubles.length > 0 ? `\n  ${troubles.join("\n  ")}` : "");
      if (troubles.length > 0) process.exitCode = 1;
      await page.close();
    }
  }
} finally {
  await browser.close();
  await server.close();
}
