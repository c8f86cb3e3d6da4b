// Child processes of a test: each in a group of its own, so that nothing of it is left at the end.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Waits until `condition` gives something true, and gives that back. Fails with what was last seen. */
export async function until(what, condition, { within_ms = 20_000, every_ms = 50 } = {}) {
  const end = Date.now() + within_ms;
  let last;
  for (;;) {
    try {
      last = await condition();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`waited ${within_ms} ms for ${what}; last seen: ${seen}`);
    }
    await new Promise((resolve) => setTimeout(resolve, every_ms));
  }
}

/** Starts a program in a group of its own. `child.output()` is what it wrote to both streams so far. */
export function start(program, args, { env, stdio = ["ignore", "pipe", "pipe"], input } = {}) {
  if (input !== undefined) stdio = ["pipe", ...stdio.slice(1)];
  const child = spawn(program, args, { env, stdio, detached: true });
  const written = [];
  child.stdout?.on("data", (data) => written.push(data));
  child.stderr?.on("data", (data) => written.push(data));
  child.output = () => Buffer.concat(written).toString("utf8");
  child.gone = new Promise((resolve) => {
    child.on("exit", resolve);
    child.on("error", (error) => {
      written.push(Buffer.from(`${program}: ${error.message}\n`));
      resolve(-1);
    });
  });
  if (input !== undefined) child.stdin.end(input);
  return child;
}

/** Ends a program and whatever it started in its group. */
export async function end(child, signal = "SIGTERM") {
  if (!child?.pid) return;
  const kill = (how) => {
    try {
      process.kill(-child.pid, how);
    } catch {
      // The group is empty.
    }
  };
  kill(signal);
  const late = setTimeout(() => kill("SIGKILL"), 3000);
  await child.gone;
  clearTimeout(late);
  kill("SIGKILL");
}

/** Every running process that was started with this variable in its environment. */
export function processesWith(name, value) {
  const wanted = `${name}=${value}`;
  const found = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      const environ = readFileSync(`/proc/${entry}/environ`, "utf8").split("\0");
      if (!environ.includes(wanted)) continue;
      const args = readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0").filter(Boolean);
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
      if (state === "Z") continue;
      found.push({ pid: Number(entry), program: readlinkSync(`/proc/${entry}/exe`), args });
    } catch {
      // Ended meanwhile.
    }
  }
  return found;
}
