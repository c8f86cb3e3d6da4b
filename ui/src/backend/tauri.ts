// The form the shipped window uses. No other folder may import Tauri.

import { Channel, convertFileSrc, invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { Backend, Picture, ShellEvent } from "./backend";
import type { Numbered } from "./types";

/** `frame://localhost/` here, `http://frame.localhost/` where the web view knows no other schemes. */
const frames = () => convertFileSrc("", "frame");

export const tauriBackend: Backend = {
  snapshot: () => invoke("snapshot"),
  subscribe: async (onChange) => {
    let open = true;
    const channel = new Channel<Numbered>((numbered) => {
      if (open) onChange(numbered);
    });
    await invoke("subscribe", { channel });
    return () => {
      open = false;
    };
  },
  onShell: (listener) =>
    listen("shell", (event) => {
      // The shell asks by itself where nobody hears it.
      void invoke("heard");
      listener(event.payload as ShellEvent);
    }),

  checkProject: (input, id) => invoke("check_project", { input, id }),
  addProject: (input) => invoke("add_project", { input }),
  editProject: (id, input) => invoke("edit_project", { id, input }),
  forgetProject: (id) => invoke("forget_project", { id }),
  selectProject: (id) => invoke("select_project", { id }),

  createRoom: (input) => invoke("create_room", { input }),
  openRoom: (name) => invoke("open_room", { name }),
  closeRoom: () => invoke("close_room"),
  watch: (tracks) => invoke("watch", { tracks }),
  frame: async (track, after, signal): Promise<Picture | null> => {
    const url = `${frames()}track/${encodeURIComponent(track)}?after=${after}`;
    const response = await fetch(url, { signal, cache: "no-store" });
    if (response.status === 204) return null;
    if (!response.ok) throw new Error(`no picture: ${response.status}`);
    const seq = Number(response.headers.get("x-seq") ?? after + 1);
    return { seq, image: await createImageBitmap(await response.blob()) };
  },

  arm: (request) => invoke("arm", { request }),
  start: (request) => invoke("start", { request }),
  record: (egressId) => invoke("record", { egressId }),
  stop: (egressId) => invoke("stop", { egressId }),
  disarm: (egressId) => invoke("disarm", { egressId }),

  addStream: (egressId, stream) => invoke("add_stream", { egressId, stream }),
  removeOutput: (egressId, output) => invoke("remove_output", { egressId, output }),
  retryOutput: (egressId, output) => invoke("retry_output", { egressId, output }),
  saveDestination: (input) => invoke("save_destination", { input }),
  editDestination: (id, input) => invoke("edit_destination", { id, input }),
  forgetDestination: (id) => invoke("forget_destination", { id }),

  saveRule: (input) => invoke("save_rule", { input }),
  editRule: (id, input) => invoke("edit_rule", { id, input }),
  forgetRule: (id) => invoke("forget_rule", { id }),

  startElsewhere: (request) => invoke("start_elsewhere", { request }),
  stopElsewhere: (egressId) => invoke("stop_elsewhere", { egressId }),
  updateLayoutElsewhere: (egressId, layout) => invoke("update_layout_elsewhere", { egressId, layout }),
  addStreamElsewhere: (egressId, stream) => invoke("add_stream_elsewhere", { egressId, stream }),
  removeStreamElsewhere: (egressId, address) => invoke("remove_stream_elsewhere", { egressId, address }),

  updateLayout: (egressId, layout) => invoke("update_layout", { egressId, layout }),
  startAnyway: (egressId) => invoke("start_anyway", { egressId }),
  copyLayout: (name) => invoke("copy_layout", { name }),
  openLayoutsFolder: () => invoke("open_layouts_folder"),

  stillUrl: (egressId, output) =>
    `${frames()}still/${encodeURIComponent(egressId)}/${encodeURIComponent(output)}`,
  forgetJob: (egressId) => invoke("forget_job", { egressId }),
  setSettings: (settings) => invoke("set_settings", { settings }),

  checkStorage: (input, saved) => invoke("check_storage", { input, saved }),
  saveStorage: (input) => invoke("save_storage", { input }),
  editStorage: (id, input) => invoke("edit_storage", { id, input }),
  forgetStorage: (id) => invoke("forget_storage", { id }),
  uploadRecording: (egressId, to) => invoke("upload_recording", { egressId, to }),
  retryUpload: (id) => invoke("retry_upload", { id }),
  pauseUpload: (id, paused) => invoke("pause_upload", { id, paused }),
  cancelUpload: (id) => invoke("cancel_upload", { id }),
  retrySet: (egressId, output) => invoke("retry_set", { egressId, output }),
  pauseSet: (egressId, output, paused) => invoke("pause_set", { egressId, output, paused }),
  cancelSet: (egressId, output) => invoke("cancel_set", { egressId, output }),

  chooseFolder: () => invoke("choose_folder"),
  openFolder: (egressId, outputId) => invoke("open_folder", { egressId, outputId }),
  play: (egressId, outputId) => invoke("play", { egressId, outputId }),
  quit: (finish) => invoke("quit", { finish }),
  hide: () => invoke("hide"),
};
