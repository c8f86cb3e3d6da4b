// Shows one scene: gallery.html?scene=NAME. Without a name, a list of all of them.

import { createRoot } from "react-dom/client";
import type { Backend } from "@/backend/backend";
import { emptySnapshot, NOW_MS } from "@/backend/fixture/people";
import { FixtureStudio } from "@/backend/fixture/studio";
import { clearDesk, defaultAdvanced } from "@/store/desk";
import { useStarted } from "@/store/elsewhere";
import { noneKept, useLive } from "@/store/live";
import { App } from "@/views/app";
import { scenes } from "./scenes";
import "../styles.css";

const element = document.getElementById("root");
if (!element) throw new Error("gallery.html has a #root");
const root = createRoot(element);
const name = new URLSearchParams(location.search).get("scene");
const scene = name ? scenes[name] : undefined;

localStorage.clear();
// The clock of the pictures stands still, so that two runs can be compared.
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...args: [] | [number | string]) {
    if (args.length === 0) super(NOW_MS);
    else super(args[0]);
  }
  static override now() {
    return NOW_MS;
  }
} as DateConstructor;

if (scene) {
  const studio = new FixtureStudio(scene.snapshot ?? emptySnapshot());
  for (const [call, error] of Object.entries(scene.fails ?? {}))
    studio.failures.set(call as keyof Backend, error);
  if (!scene.snapshot) studio.snapshot = () => new Promise(() => undefined);
  clearDesk({
    ...(scene.pick ? { pick: scene.pick } : {}),
    ...(scene.page ? { page: scene.page } : {}),
    ...(scene.dialog ? { dialog: scene.dialog } : {}),
    ...(scene.ticked ? { ticked: scene.ticked } : {}),
    ...(scene.adding ? { adding: scene.adding } : {}),
    ...(scene.upload ? { upload: scene.upload } : {}),
    ...(scene.besides ? { besides: scene.besides } : {}),
    ...(scene.where ? { where: scene.where } : {}),
    ...(scene.unfolded ? { unfolded: scene.unfolded } : {}),
    ...(scene.how
      ? {
          forms: {
            person: { how: scene.how, container: "mp4" },
            pair: { how: scene.how, container: "mp4" },
            single: { how: scene.how, container: "mp4" },
            page: { how: scene.how, container: "mp4" },
          },
          advanced: defaultAdvanced,
        }
      : {}),
  });
  useLive.setState({ ...noneKept, ...scene.live });
  useStarted.setState({ requests: scene.started ?? {} });
  root.render(<App backend={studio} />);
} else {
  root.render(
    <ul className="h-full columns-3 overflow-auto p-8">
      {Object.keys(scenes).map((one) => (
        <li key={one}>
          <a
            className="hover:underline"
            href={`?scene=${one}`}
            data-scene={one}
            data-spec={JSON.stringify({ act: scenes[one]?.act, sizes: scenes[one]?.sizes })}
          >
            {one}
          </a>
        </li>
      ))}
    </ul>,
  );
}
