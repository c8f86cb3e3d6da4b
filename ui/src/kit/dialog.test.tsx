import { readFileSync } from "node:fs";
import { join } from "node:path";
import { render, screen, waitFor } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { Dialog } from "./dialog";

const style = document.createElement("style");
afterEach(() => style.remove());

describe("a dialog", () => {
  const show = () =>
    render(
      <Dialog open onClose={() => undefined} title="…">
        <button type="button">{"…"}</button>
      </Dialog>,
    );

  it("leaves the bar with the tally light undimmed", () => {
    show();
    expect(screen.getByTestId("backdrop").className).toMatch(/\btop-11\b/);
    const topbar = readFileSync(join(import.meta.dirname, "../views/topbar.tsx"), "utf8");
    expect(topbar).toMatch(/<header className="[^"]*\bh-11\b/);
  });

  it("shows what has the focus, also when no key brought it there", async () => {
    const css = readFileSync(join(import.meta.dirname, "../styles.css"), "utf8");
    style.textContent = css.match(/\[role="dialog"\][^}]*}/)?.[0].replaceAll(/var\([^)]*\)/g, "white") ?? "";
    document.head.append(style);
    show();
    const button = screen.getByRole("button", { name: "…" });
    await waitFor(() => expect(document.activeElement).toBe(button));
    expect(getComputedStyle(button).outlineStyle || getComputedStyle(button).outline).toMatch(/solid/);
  });
});
