// Where the programs under test are built.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");

/** A program of the debug build. Not having been built is a failure, never a reason to skip. */
export function program(name) {
  const path = join(target, "debug", name);
  if (!existsSync(path)) throw new Error(`${name} is not built: cargo build -p ${name}`);
  return path;
}

/** Where screenshots go; git does not see them. */
export const pictures = join(root, "tests/.work/window");
