// Renders every size of the icon from the three SVG sources beside this file.
// Needs rsvg-convert (librsvg2-bin) and convert (imagemagick): `node icons/build.mjs`.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const file = (name) => join(here, name);

/** Renders SVG text at `px` pixels square. */
function render(svg, px) {
  return execFileSync("rsvg-convert", ["-w", String(px), "-h", String(px), "-f", "png"], { input: svg });
}

const large = readFileSync(file("tallylight.svg"), "utf8");
const small = readFileSync(file("tallylight-small.svg"), "utf8");
/** Below 64 pixels the glow and the bezel turn to mud: the pixel-fitted drawing takes over. */
const icon = (px) => render(px < 64 ? small : large, px);

const sizes = [16, 24, 32, 48, 64, 128, 256, 512, 1024];
for (const px of sizes) writeFileSync(file(`${px}x${px}.png`), icon(px));
// The name that the bundler gives to 256 pixels.
writeFileSync(file("128x128@2x.png"), icon(256));

// An ICNS file is a list of PNGs, each with a four-letter type that stands for its size.
const entries = [
  ["icp4", 16], ["icp5", 32], ["ic11", 32], ["ic12", 64], ["ic07", 128],
  ["ic13", 256], ["ic08", 256], ["ic14", 512], ["ic09", 512], ["ic10", 1024],
].map(([type, px]) => {
  const png = icon(px);
  const head = Buffer.alloc(8);
  head.write(type, 0, "latin1");
  head.writeUInt32BE(png.length + 8, 4);
  return Buffer.concat([head, png]);
});
const head = Buffer.alloc(8);
head.write("icns", 0, "latin1");
head.writeUInt32BE(8 + entries.reduce((sum, entry) => sum + entry.length, 0), 4);
writeFileSync(file("tallylight.icns"), Buffer.concat([head, ...entries]));

// The Windows resource compiler wants uncompressed pictures below 256 pixels, which convert writes.
execFileSync("convert", [...[16, 24, 32, 48, 64, 128, 256].map((px) => file(`${px}x${px}.png`)), file("tallylight.ico")]);

// In a panel: idle is one colour, hollow; recording is filled red. "dark" and "light" are the panel's.
const tray = readFileSync(file("tray.svg"), "utf8");
const paint = (mount, lamp, rim) =>
  tray.replace("MOUNT", mount).replace("LAMP", lamp).replace("RIM", rim);
const looks = {
  "tray-idle-dark": paint("#e6e9ed", "none", "#e6e9ed"),
  "tray-idle-light": paint("#24292f", "none", "#24292f"),
  "tray-recording-dark": paint("#e6e9ed", "#ff453a", "#ff453a"),
  "tray-recording-light": paint("#24292f", "#e0241a", "#e0241a"),
};
for (const [name, svg] of Object.entries(looks)) {
  writeFileSync(file(`${name}.png`), render(svg, 32));
  writeFileSync(file(`${name}@2x.png`), render(svg, 64));
}
