import { describe, expect, it } from "vitest";
import { Desk } from "./desk";
import { STOCK, stock } from "./stock";

const begin = (get: (path: string) => Promise<string | null> = async () => null) =>
  new Desk({ document: stock("grid"), others: STOCK }, get);

describe("the layout that is on", () => {
  it("changes before the answer comes where nothing has to be fetched", () => {
    const desk = begin();
    let told = 0;
    desk.subscribe(() => {
      told += 1;
    });
    void desk.set("speaker");
    expect(desk.now().document.name).toBe("speaker");
    expect(told).toBe(1);
  });

  it("stays when a change is refused", async () => {
    const desk = begin();
    const before = desk.now();
    const answer = await desk.set({ ...stock("speaker"), regions: [] });
    expect(answer).toEqual({ ok: false, error: { path: "/regions", reason: "This list is empty." } });
    expect(await desk.set("nowhere")).toMatchObject({ ok: false });
    expect(desk.now()).toBe(before);
  });

  it("is what was asked for last, whatever comes last", async () => {
    let arrive: (text: string) => void = () => {};
    const desk = begin(
      () =>
        new Promise((resolve) => {
          arrive = resolve;
        }),
    );
    const slow = desk.set("mine");
    await desk.set("speaker");
    arrive(JSON.stringify({ ...stock("grid"), name: "mine" }));
    expect(await slow).toEqual({ ok: true, layout: "mine" });
    expect(desk.now().document.name).toBe("speaker");
  });

  it("reads an unknown name as LiveKit does when it comes from there", async () => {
    const desk = begin();
    expect(await desk.set("single-speaker-dark", false)).toEqual({ ok: true, layout: "single-speaker" });
  });
});
