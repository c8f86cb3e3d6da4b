// The states before a project is open.

import { anError, emptySnapshot, noKeyring } from "@/backend/fixture/people";
import type { Scene } from "./scenes";

export const projectScenes: Record<string, Scene> = {
  "first-start": {
    snapshot: emptySnapshot({ projects: { list: [], current: null, keyring_error: null } }),
    sizes: [[1024, 700]],
  },
  "first-start-wrong-secret": {
    snapshot: emptySnapshot({ projects: { list: [], current: null, keyring_error: null } }),
    act: "fill-login",
    fails: {
      addProject: anError({
        code: "wrong_secret",
        fault: "input",
        message: "The server knows this API key, but the secret does not belong to it.",
        remedy:
          "Copy the secret again from your LiveKit project's settings: it is shown only once when a key is made.",
        detail: "401 invalid token: signature is invalid",
      }),
    },
  },
  "first-start-no-keyring": {
    snapshot: emptySnapshot({ projects: { list: [], current: null, keyring_error: noKeyring } }),
    sizes: [[1024, 700]],
  },
  opening: { snapshot: null },
  projects: {
    snapshot: emptySnapshot({
      projects: {
        list: [
          {
            id: "PJ_live",
            name: "Northlight Radio",
            url: "wss://northlight.livekit.cloud",
            api_key: "APIvqp3rTn",
            secret: "keyring",
          },
          {
            id: "PJ_2",
            name: "Rehearsals",
            url: "ws://127.0.0.1:7880",
            api_key: "devkey",
            secret: "this_run",
          },
          {
            id: "PJ_3",
            name: "Kulturhaus Süd",
            url: "wss://lk.kulturhaus.example",
            api_key: "APIk9",
            secret: "missing",
          },
        ],
        current: null,
        keyring_error: null,
      },
    }),
  },
  "project-forget": { snapshot: emptySnapshot(), dialog: { name: "forget-project", id: "PJ_live" } },
  "project-edit": { snapshot: emptySnapshot(), dialog: { name: "edit-project", id: "PJ_live" } },
};
