import { render } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { FileName } from "./file-name";

describe("a file's name", () => {
  it.each(["TR_chloe_screen-2026-11-12T093618.webm", "a.mp4", "نورة-2026-11-11T140212.mp4", "👩‍🚀.ogg"])(
    "%s is whole in the page, and its end is not cut",
    (name) => {
      const { container } = render(<FileName name={name} />);
      expect(container.textContent).toBe(name);
      const end = container.querySelector("bdi");
      expect(end?.textContent).toMatch(/\.\w+$/);
      expect(end?.className).not.toMatch(/truncate/);
    },
  );
});
