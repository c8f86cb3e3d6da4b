// The states of what Chromium draws: the whole room in layouts, and web pages.

import { brokenLayout, ownLayout, stockLayouts, unreadableLayout } from "@/backend/fixture/layouts";
import {
  anError,
  emptySnapshot,
  four,
  inRoom,
  pageJob,
  pagePreview,
  request,
  someRooms,
  webPage,
  wholeRoom,
} from "@/backend/fixture/people";
import type { Pick } from "@/store/desk";
import type { Scene } from "./scenes";

const onAirMachine = { cpu_percent: 34, disk_free_bytes: 212_000_000_000, disk_left_s: 11_400, problems: [] };
const pickWhole = (layout = "grid"): Pick => ({ kind: "room", layout, baseUrl: null, parts: "both" });
const pickUrl = (url: string): Pick => ({ kind: "page", url, awaitStart: false, parts: "both" });
const PAGE = "https://scores.northlight.example/overlay?game=1412";
const portrait = { type: "preset", container: "mp4", preset: "PORTRAIT_H264_720P_30" } as const;

export const pageScenes: Record<string, Scene> = {
  "composite-starting": {
    snapshot: inRoom(four, {
      jobs: [pagePreview("EG_room", wholeRoom(), { armed: false, page: "starting", layout: null })],
    }),
    pick: pickWhole(),
  },
  "composite-ready": {
    snapshot: inRoom(four, { jobs: [pagePreview("EG_room", wholeRoom("speaker"))] }),
    pick: pickWhole("speaker"),
    sizes: [
      [1024, 700],
      [1920, 1080],
      [3840, 2160],
    ],
  },
  "composite-waiting": {
    snapshot: inRoom([], {
      jobs: [pagePreview("EG_room", wholeRoom(), { armed: false, page: "waiting", figures: null })],
    }),
    pick: pickWhole(),
    sizes: [[1024, 700]],
  },
  "composite-waiting-muted": {
    snapshot: inRoom(
      four.map((one) => ({
        ...one,
        speaking: false,
        tracks: one.tracks.map((each) => ({ ...each, muted: true })),
      })),
      {
        jobs: [
          pageJob("EG_room", wholeRoom(), {
            status: "starting",
            page: "waiting",
            connection: "connecting",
            figures: null,
          }),
        ],
      },
    ),
    pick: pickWhole(),
  },
  "composite-recording": {
    snapshot: inRoom(four, {
      jobs: [pageJob("EG_room", wholeRoom("speaker"))],
      machine: onAirMachine,
    }),
    pick: pickWhole("speaker"),
    sizes: [
      [1024, 700],
      [1920, 1080],
      [3840, 2160],
    ],
  },
  "composite-reloading": {
    snapshot: inRoom(four, {
      jobs: [pageJob("EG_room", wholeRoom(), { page: "reloading", connection: "reconnecting" })],
      machine: onAirMachine,
    }),
    pick: pickWhole(),
  },
  "composite-broken-layout": {
    snapshot: inRoom(four, {
      jobs: [pagePreview("EG_room", wholeRoom("interview"))],
      layouts: [...stockLayouts, ownLayout, unreadableLayout, brokenLayout],
    }),
    pick: pickWhole("interview"),
    act: "layouts-end",
    sizes: [[1024, 700]],
  },
  "composite-template": {
    snapshot: inRoom(four, {
      jobs: [pagePreview("EG_room", { ...wholeRoom("stage"), base_url: "https://stage.northlight.example" })],
    }),
    pick: { kind: "room", layout: "stage", baseUrl: "https://stage.northlight.example", parts: "both" },
    sizes: [[1024, 700]],
  },
  "composite-sound": {
    snapshot: inRoom(four, {
      jobs: [pagePreview("EG_room", { ...wholeRoom(), parts: "sound" }, { page: null, layout: null })],
    }),
    pick: { kind: "room", layout: "grid", baseUrl: null, parts: "sound" },
  },
  "composite-portrait": {
    snapshot: inRoom(four, {
      jobs: [
        pagePreview("EG_room", wholeRoom("speaker-portrait"), {
          request: request(wholeRoom("speaker-portrait"), { format: portrait }),
        }),
      ],
    }),
    pick: pickWhole("speaker-portrait"),
    how: "PORTRAIT_H264_720P_30",
    sizes: [[1024, 700]],
  },
  "composite-portrait-hint": {
    snapshot: inRoom(four, { jobs: [pagePreview("EG_room", wholeRoom("speaker-portrait"))] }),
    pick: pickWhole("speaker-portrait"),
  },
  "page-empty": { snapshot: inRoom(four), pick: pickUrl(""), sizes: [[1024, 700]] },
  "page-no-room": {
    snapshot: emptySnapshot({
      rooms: { list: someRooms(6), loading: false, error: null },
      jobs: [pagePreview("EG_page", webPage(PAGE), { request: request(webPage(PAGE), { room_name: "" }) })],
    }),
    pick: pickUrl(PAGE),
  },
  "page-wrong": { snapshot: inRoom(four), pick: pickUrl("file:///etc/hosts") },
  "page-ready": {
    snapshot: inRoom(four, {
      jobs: [pagePreview("EG_page", webPage(PAGE), { request: request(webPage(PAGE), { room_name: "" }) })],
    }),
    pick: pickUrl(PAGE),
    sizes: [[1024, 700]],
  },
  "page-recording": {
    snapshot: inRoom(four, {
      jobs: [pageJob("EG_page", webPage(PAGE)), pageJob("EG_room", wholeRoom("grid-light"))],
      machine: onAirMachine,
    }),
    pick: pickUrl(PAGE),
  },
  "page-trying-again": {
    snapshot: inRoom(four, {
      jobs: [
        pagePreview("EG_page", webPage(PAGE), {
          request: request(webPage(PAGE), { room_name: "" }),
          armed: false,
          page: "loading",
          figures: null,
          warnings: [
            anError({
              code: "unreachable",
              fault: "input",
              message: "The page scores.northlight.example cannot be shown: nothing answers there.",
              remedy: "Check the address, and that the page's server runs.",
              retryable: true,
              detail: "page load error: net::ERR_CONNECTION_REFUSED",
            }),
          ],
        }),
      ],
    }),
    pick: pickUrl(PAGE),
    sizes: [[1024, 700]],
  },
  "page-unreachable": {
    snapshot: inRoom(four, {
      jobs: [
        pagePreview("EG_page", webPage(PAGE), {
          request: request(webPage(PAGE), { room_name: "" }),
          armed: false,
          status: "failed",
          page: "loading",
          error: anError({
            code: "unreachable",
            fault: "input",
            message: "The page scores.northlight.example cannot be shown: no host of this name is known.",
            remedy: "Check the address and this computer's network.",
            retryable: true,
            detail: "page load error: net::ERR_NAME_NOT_RESOLVED",
          }),
        }),
      ],
    }),
    pick: pickUrl(PAGE),
  },
};
