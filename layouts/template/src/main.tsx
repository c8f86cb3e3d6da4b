// The template page. LiveKit's contract for templates: `layout`, `url` and `token` in the address, START_RECORDING and
// END_RECORDING on the console, errors in `div.error`.

import { Room } from "livekit-client";
import { createRoot } from "react-dom/client";
import { type Answer, Desk } from "./document/desk";
import { find, fromPage } from "./document/find";
import { Program } from "./program";
import { connect } from "./room/connect";
import { EgressHelper } from "./room/egress";
import { People } from "./room/people";
import "./view/styles.css";

declare global {
  interface Window {
    tallylight: {
      /** Changes the layout: the name of one, or a document. What cannot be drawn is refused, and nothing changes. */
      setLayout: (nameOrDocument: unknown) => Promise<Answer>;
    };
  }
}

const words = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function begin() {
  const url = EgressHelper.getLiveKitURL();
  const token = EgressHelper.getAccessToken();
  // Letters that come in later would change the first pictures.
  const letters = document.fonts.load("600 16px 'Inter Variable'").catch(() => []);
  const first = await find(EgressHelper.getLayout(), fromPage, false);
  if (!first.ok) {
    const { path, reason } = first.error;
    throw new Error(`The layout is broken${path && ` at ${path}`}: ${reason}`);
  }
  const desk = new Desk(first.choice, fromPage);
  window.tallylight = { setLayout: (asked) => desk.set(asked) };
  EgressHelper.onLayoutChanged((layout) => {
    void desk.set(layout, false).then((answer) => {
      // The job hears of it: it was not asked, and shows the page in this layout again after a crash.
      // biome-ignore lint/suspicious/noConsole: a page has no other word for its recorder
      if (answer.ok) console.log(`LAYOUT_CHANGED ${answer.layout}`);
      else console.warn(`layout refused: ${answer.error.path} ${answer.error.reason}`);
    });
  });
  // Sizes are asked for by placement (room/layers.ts).
  const room = new Room({ adaptiveStream: false, dynacast: false });
  const people = new People(room);
  await Promise.all([connect(room, url, token), letters]);
  try {
    EgressHelper.setRoom(room);
  } catch (error) {
    // Metadata that is no JSON is not for this page.
    console.warn(`the recorder's metadata cannot be read: ${words(error)}`);
  }
  void room.startAudio().catch(() => console.warn("the browser plays no sound before somebody clicks"));
  root.render(<Program desk={desk} people={people} onStart={EgressHelper.startRecording} />);
}

const element = document.getElementById("root");
if (!element) throw new Error("the page has no root");
const root = createRoot(element);
begin().catch((error: unknown) => root.render(<div className="error">{words(error)}</div>));
