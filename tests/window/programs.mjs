// Where the programs under test are built.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

// `npm test` names the job that it built, and puts the others beside it.
const folder = process.env.TALLYLIGHT_JOB
  ? dirname(process.env.TALLYLIGHT_JOB)
  : join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug");

/** A program of the debug build. Not having been built is a failure, never a reason to skip. */
export function program(name) {
  const path = join(folder, name);
  if (!existsSync(path)) throw new Error(`${path} is not built: cargo build -p ${name}`);
  return path;
}

/** Where screenshots go; git does not see them. */
export const pictures = join(root, "tests/.work/window");
