// The one surface through which the window reaches the studio. Everything else in `ui/` is written
// against this interface and knows nothing of how it is carried.

import type {
  ApiError,
  AutoEgress,
  Checked,
  DestinationId,
  DestinationInput,
  EgressId,
  Numbered,
  OutputId,
  ProjectId,
  ProjectInput,
  RecordRequest,
  RoomInput,
  RuleId,
  Settings,
  Snapshot,
  StorageId,
  StorageInput,
  StreamInput,
  TrackId,
  UploadId,
  UploadRequest,
} from "./types";

/** A picture of a track, ready to draw. The one who takes it closes it. */
export interface Picture {
  /** Counts up with each picture of the track. */
  seq: number;
  image: ImageBitmap | HTMLCanvasElement;
}

/** What the operator asked of the window from outside it (tray, menu, window frame). */
export type ShellEvent = "quit_requested";

/**
 * Commands reject with an {@link ApiError}. None of them changes what is shown by itself: the studio
 * answers with changes, and the store folds those.
 */
export interface Backend {
  snapshot(): Promise<Snapshot>;
  /** Streams changes until the returned function is called. */
  subscribe(onChange: (numbered: Numbered) => void): Promise<() => void>;
  /** Calls back for requests that come from the shell. */
  onShell(listener: (event: ShellEvent) => void): Promise<() => void>;

  checkProject(input: ProjectInput, id: ProjectId | null): Promise<void>;
  addProject(input: ProjectInput): Promise<ProjectId>;
  editProject(id: ProjectId, input: ProjectInput): Promise<void>;
  forgetProject(id: ProjectId): Promise<void>;
  selectProject(id: ProjectId | null): Promise<void>;

  /** Creates a room on the server; nobody needs to be in it yet. */
  createRoom(input: RoomInput): Promise<void>;
  openRoom(name: string): Promise<void>;
  closeRoom(): Promise<void>;
  /** Says whose pictures are on the screen, tracks' and (by their ids) jobs'; no others are made. */
  watch(sights: TrackId[]): Promise<void>;
  /** The next picture after `after`, the newest if several passed; null when none came for a while. */
  frame(track: TrackId, after: number, signal: AbortSignal): Promise<Picture | null>;

  arm(request: RecordRequest): Promise<EgressId>;
  /** Attaches the file to the job that is held ready for the same, or starts one. */
  start(request: RecordRequest): Promise<EgressId>;
  /** Records what a job streams as well. */
  record(egressId: EgressId): Promise<void>;
  stop(id: EgressId): Promise<void>;
  disarm(id: EgressId): Promise<void>;

  /** Streams a job to one more destination; one that is armed goes on air with it. How that goes is in its outputs. */
  addStream(egressId: EgressId, stream: StreamInput): Promise<OutputId>;
  /** Finishes one output. The job goes on with the others; without any it ends. */
  removeOutput(egressId: EgressId, output: OutputId): Promise<void>;
  /** Tries a destination again that was refused, or that waits for its next try. */
  retryOutput(egressId: EgressId, output: OutputId): Promise<void>;
  saveDestination(input: DestinationInput): Promise<DestinationId>;
  /** Jobs that stream there go on as they are. */
  editDestination(id: DestinationId, input: DestinationInput): Promise<void>;
  forgetDestination(id: DestinationId): Promise<void>;

  /** Adds a rule of auto egress for the rooms of the open project. */
  saveRule(input: AutoEgress): Promise<RuleId>;
  /** What it has started goes on as it is. */
  editRule(id: RuleId, input: AutoEgress): Promise<void>;
  forgetRule(id: RuleId): Promise<void>;

  /** The same as {@link start}, by LiveKit's own egress service. */
  startElsewhere(request: RecordRequest): Promise<EgressId>;
  stopElsewhere(egressId: EgressId): Promise<void>;
  updateLayoutElsewhere(egressId: EgressId, layout: string): Promise<void>;
  addStreamElsewhere(egressId: EgressId, stream: StreamInput): Promise<void>;
  /** Takes a stream off, by its address as it is shown. */
  removeStreamElsewhere(egressId: EgressId, address: string): Promise<void>;

  /** Changes the layout of a job, armed or recording, at once. */
  updateLayout(id: EgressId, layout: string): Promise<void>;
  /** Begins without the start signal of the job's page. */
  startAnyway(id: EgressId): Promise<void>;
  /** Makes a copy of a layout for the operator to change; answers with its name. */
  copyLayout(name: string): Promise<string>;
  /** Shows the folder of the operator's own layouts. */
  openLayoutsFolder(): Promise<void>;

  /** Address of a small picture of a finished output, for an `<img>`. */
  stillUrl(id: EgressId, output: OutputId): string;
  forgetJob(id: EgressId): Promise<void>;
  setSettings(settings: Settings): Promise<void>;

  /** Writes, reads and deletes a probe. With a saved storage, absent keys stand for the saved ones. */
  checkStorage(input: StorageInput, saved: StorageId | null): Promise<Checked>;
  saveStorage(input: StorageInput): Promise<StorageId>;
  editStorage(id: StorageId, input: StorageInput): Promise<void>;
  forgetStorage(id: StorageId): Promise<void>;
  /** Puts the files of a recording on the list of uploads. */
  uploadRecording(egressId: EgressId, to: UploadRequest): Promise<void>;
  /** Tries at once what waits; all of it without an id. */
  retryUpload(id: UploadId | null): Promise<void>;
  pauseUpload(id: UploadId, paused: boolean): Promise<void>;
  /** Takes an upload off the list. The local file stays. */
  cancelUpload(id: UploadId): Promise<void>;
  /** The same for all uploads of an output of many files; what is paused or cancelled holds for what is still to come of it. */
  retrySet(egressId: EgressId, output: OutputId): Promise<void>;
  pauseSet(egressId: EgressId, output: OutputId, paused: boolean): Promise<void>;
  cancelSet(egressId: EgressId, output: OutputId): Promise<void>;

  chooseFolder(): Promise<string | null>;
  openFolder(id: EgressId, output: OutputId): Promise<void>;
  play(id: EgressId, output: OutputId): Promise<void>;
  /** Ends Tallylight: finishing all recordings first, or leaving them to run on their own. */
  quit(finish: boolean): Promise<void>;
  /** Hides the window to the tray. */
  hide(): Promise<void>;
}

/** Makes an {@link ApiError} of whatever a failed call threw, so that every failure has three parts. */
export function asApiError(thrown: unknown): ApiError {
  if (isApiError(thrown)) return thrown;
  const detail = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return {
    code: "internal",
    message: "The window could not reach its own engine.",
    remedy: "Try again. If it keeps happening, restart Tallylight: recordings go on meanwhile.",
    retryable: true,
    fault: "ours",
    detail,
  };
}

function isApiError(value: unknown): value is ApiError {
  return (
    typeof value === "object" && value !== null && "code" in value && "message" in value && "fault" in value
  );
}
